//! What every stage may use: errors, civil time, statistics, text. Knows nothing of logs.

pub(crate) mod calendar;
pub(crate) mod error;
pub(crate) mod parallel;
pub(crate) mod radix;
pub(crate) mod random;
pub(crate) mod statistics;
pub(crate) mod text;
