//! isoscan: isolation-forest anomaly scans of network-traffic logs.

pub mod error;
