//! What every stage may use: errors, civil time, statistics, text. Knows nothing of logs.

pub mod calendar;
pub mod error;
pub mod parallel;
pub mod radix;
pub mod random;
pub mod statistics;
pub mod text;
