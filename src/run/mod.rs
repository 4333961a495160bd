//! The run joins the stages: logs are discovered, read, judged and reported, side by side, results in order.

pub mod aggregate;
pub mod bench;
mod log;
mod preview;
pub mod progress;
mod record_log;
mod records;
mod scan;
mod workers;

pub use self::preview::{Preview, preview};
pub use self::scan::scan;
