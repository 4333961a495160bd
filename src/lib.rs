#![doc = include_str!("../README.md")]
//!
//! # The pipeline
//!
//! Data flows one way: [`discover`] finds the sources, [`ingest`] reads each into a [`series`],
//! [`forest`] scores it, [`detect`] picks the anomalies, [`report`] writes them. [`batch`] joins the
//! stages; [`cli`] and [`plan`] say what is to be done.

// What input can reach ends in an error, never in a panic; tests may.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod batch;
pub mod bench;
pub mod calendar;
pub mod cli;
pub mod detect;
pub mod discover;
pub mod error;
pub mod evaluate;
pub mod forest;
pub mod generate;
pub mod ingest;
pub mod memory;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod report;
pub mod series;
pub mod state;
pub mod stop;
