//! Events of a run, for whoever shows them.

use crate::report::outcome::Outcome;

/// Hears of a run's events, in source order. Every method does nothing unless overridden.
pub trait Progress: Sync {
    /// The run starts, with this number of sources.
    fn started(&self, _sources: u64) {}
    /// One source is done or has failed; its outputs are written.
    fn source_ended(&self, _outcome: &Outcome) {}
    /// The run is over; nothing more will come.
    fn ended(&self) {}
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
