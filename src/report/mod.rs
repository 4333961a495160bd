//! Findings -> what people and programs read: graphs, tables, the summary.
//!
//! Everything here makes bytes or rows; [`atomic`] alone puts them on disk.

pub mod chart;
pub mod options;
pub mod summary;
pub mod tables;
pub mod terminal;

pub use options::{Graphs, OutputOptions};

pub(crate) use crate::support::text::grouped;
