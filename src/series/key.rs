//! What a series is about.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Names a series: the log that it was made from, and whom in it the series is about.
///
/// Keys are ordered by log, key and entity, as outputs list them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Name of the log, as tables show it.
    pub log: String,
    /// What entities are: `total`, `src`, `dst`, `vhost`, ...
    pub by: Cow<'static, str>,
    /// The entity, such as `10.0.0.7`; empty for the log as a whole.
    pub entity: String,
}

impl SeriesKey {
    /// The series of a log as a whole: all records summed, or the one series of a series file.
    pub fn total(log: impl Into<String>) -> Self {
        Self {
            log: log.into(),
            by: Cow::Borrowed("total"),
            entity: String::new(),
        }
    }

    /// Whether the series is that of the log as a whole.
    pub fn is_total(&self) -> bool {
        self.entity.is_empty()
    }
}
