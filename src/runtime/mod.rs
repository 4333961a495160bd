//! The machine the program runs on: cancellation, limits, the memory budget, panics.

pub mod cancel;
pub mod limits;
pub mod memory;
pub(crate) mod panics;
