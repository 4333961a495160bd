//! Findings -> what people and programs read: graphs, tables, the summary.
//!
//! Everything here makes bytes or rows; [`atomic`] alone puts them on disk.

pub mod atomic;
pub mod graph;
pub mod summary;
pub mod table;
pub mod terminal;
