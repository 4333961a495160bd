//! The machine the program runs on: cancellation, limits, the memory budget, panics.

pub(crate) mod cancel;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod panics;
