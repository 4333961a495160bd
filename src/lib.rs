//! isoscan: isolation-forest anomaly scans of network-traffic logs.

pub mod batch;
pub mod calendar;
pub mod cli;
pub mod detect;
pub mod discover;
pub mod error;
pub mod forest;
pub mod generate;
pub mod ingest;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod report;
pub mod series;
