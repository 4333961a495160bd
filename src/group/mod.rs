//! Records to series: sums and distinct counts by key, entity and bucket of time.
//!
//! In: the parts of a log, and what to group by. Out: cells sorted by key, entity and time, which become the table
//! of series or the series that are judged. Neither the order of parts nor threads, memory or any split change a byte.

mod cell;
mod distinct;
pub(crate) mod intake;
mod key;
pub(crate) mod log;
mod names;
mod options;
mod runs;
mod seen;
pub(crate) mod select;
mod span;
mod sums;
pub(crate) mod table;

pub use self::key::{By, Measure};
pub use self::options::GroupOptions;
pub use self::sums::Key;
