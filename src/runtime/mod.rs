//! The machine the program runs on: cancellation, the memory budget, panics.

pub mod cancel;
pub mod memory;
pub(crate) mod panics;
