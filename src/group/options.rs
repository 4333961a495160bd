//! What the user asked of record logs, and what that means for one log.

use serde::{Deserialize, Serialize};

use super::key::{By, COUNTS, Measure, PEERS, PORTS, Place};
use super::sums::{Grouping, Key};
use crate::format::record::Family;
use crate::support::error::{Error, ErrorKind, Result};

/// Length of a bucket of the whole log unless the user says otherwise: 5 minutes.
const TOTAL_EVERY_US: i64 = 300_000_000;
/// Length of a bucket of an entity unless the user says otherwise: 15 minutes.
const KEY_EVERY_US: i64 = 900_000_000;

/// How record logs become series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupOptions {
    /// What to group by; empty for what the format has by default.
    pub by: Vec<By>,
    /// Length of a bucket in microseconds, of one key or of all.
    pub every_us: Vec<(Option<By>, i64)>,
    /// What to sum and count; empty for what the format has by default.
    pub measures: Vec<Measure>,
    /// How many entities of each key are judged by themselves on a day.
    pub top: usize,
    /// How many entities of a log get files of their own: the worst.
    pub max_graphs: usize,
    /// Whether flows that are reported twice count twice.
    pub keep_duplicates: bool,
    /// How many records each stands for, where the exporter sampled.
    pub sampling: u64,
    /// Largest share of lines that do not fit before an input is taken for something else.
    pub max_dropped: f64,
    /// Name of the format, where it is not to be recognised.
    pub format: Option<String>,
}

impl Default for GroupOptions {
    /// The keys and measures of each format, 1,000 entities, flows reported twice counted once, no sampling,
    /// at most 20 % of lines dropped.
    fn default() -> Self {
        Self {
            by: Vec::new(),
            every_us: Vec::new(),
            measures: Vec::new(),
            top: 1000,
            max_graphs: 200,
            keep_duplicates: false,
            sampling: 1,
            max_dropped: 0.2,
            format: None,
        }
    }
}

impl GroupOptions {
    /// The keys of a log of this family, sorted by name. No bucket is shorter than the exporter's `window_us`.
    pub(crate) fn keys(&self, family: Family, window_us: i64) -> Vec<Key> {
        let mut by = if self.by.is_empty() {
            By::defaults(family)
        } else {
            self.by.clone()
        };
        by.sort_by_key(By::name);
        by.dedup();
        by.into_iter()
            .map(|by| {
                let last = |of: Option<&By>| {
                    let mut found = self.every_us.iter().rev();
                    found
                        .find(|(key, _)| key.as_ref() == of)
                        .map(|(_, every)| *every)
                };
                let default = if by == By::Total {
                    TOTAL_EVERY_US
                } else {
                    KEY_EVERY_US
                };
                let every = last(Some(&by)).or_else(|| last(None)).unwrap_or(default);
                Key {
                    every_us: every.max(window_us).max(1),
                    by,
                }
            })
            .collect()
    }

    /// The measures of a log of this family, in the order of a table's columns.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] where a measure or a key was asked for that such logs do not have.
    pub(crate) fn measures(&self, family: Family) -> Result<Vec<Measure>> {
        let all = Measure::all(family);
        if let Some(other) = self.measures.iter().find(|m| !all.contains(m)) {
            let names: Vec<&str> = all.iter().map(|measure| measure.name()).collect();
            return Err(Error::new(
                ErrorKind::Setting,
                format!(
                    "--measure {} is not a measure of {}: one of {}",
                    other.name(),
                    family_name(family),
                    names.join(", ")
                ),
            ));
        }
        let wanted = |m: &&Measure| self.measures.is_empty() || self.measures.contains(m);
        Ok(all.iter().filter(wanted).copied().collect())
    }

    /// What becomes of the records of a log.
    ///
    /// # Errors
    /// As [`measures`](Self::measures).
    pub(crate) fn grouping(&self, family: Family, window_us: i64) -> Result<Grouping> {
        let mut counts = [false; COUNTS];
        for measure in self.measures(family)? {
            if let Place::Distinct(place) = measure.place() {
                counts[place] = true;
            }
        }
        if let Some(by) = self.by.iter().find(|by| !fits(by, family)) {
            return Err(Error::new(
                ErrorKind::Setting,
                format!("--by {by} is not a key of {}", family_name(family)),
            ));
        }
        Ok(Grouping {
            family,
            keys: self.keys(family, window_us),
            counts,
            sampling: self.sampling.max(1),
        })
    }
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Flows => "flow logs",
        Family::Requests => "request logs",
    }
}

/// Whether records of a family tell what a key groups by.
fn fits(by: &By, family: Family) -> bool {
    match by {
        By::Total | By::Interface | By::Service => true,
        By::Src | By::Dst | By::Port | By::Proto => family == Family::Flows,
        By::Vhost | By::Client | By::Status => family == Family::Requests,
        By::Label(_) => false,
    }
}

/// Names of the columns that hold the state of distinct counts.
pub(crate) const SKETCHES: [&str; COUNTS] = {
    let mut names = [""; COUNTS];
    names[PEERS] = "peers_sketch";
    names[PORTS] = "ports_sketch";
    names
};

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(keys: &[Key]) -> Vec<(String, i64)> {
        keys.iter()
            .map(|key| (key.by.name(), key.every_us / 60_000_000))
            .collect()
    }

    #[test]
    fn keys_have_their_own_buckets_and_none_is_below_the_exporters_window() {
        let mut options = GroupOptions::default();
        let named = |pairs: &[(&str, i64)]| -> Vec<(String, i64)> {
            pairs.iter().map(|(n, m)| ((*n).to_owned(), *m)).collect()
        };
        let default = minutes(&options.keys(Family::Flows, 0));
        assert_eq!(default, named(&[("dst", 15), ("src", 15), ("total", 5)]));
        let windowed = minutes(&options.keys(Family::Flows, 600_000_000));
        assert_eq!(windowed, named(&[("dst", 15), ("src", 15), ("total", 10)]));
        options.every_us = vec![(None, 60_000_000), (Some(By::Src), 3_600_000_000)];
        let chosen = minutes(&options.keys(Family::Flows, 0));
        assert_eq!(chosen, named(&[("dst", 1), ("src", 60), ("total", 1)]));
    }

    #[test]
    fn measures_and_keys_of_other_logs_are_refused() {
        let mut options = GroupOptions {
            measures: vec![Measure::Status4xx],
            ..GroupOptions::default()
        };
        let error = options.grouping(Family::Flows, 0).unwrap_err().to_string();
        assert!(
            error.starts_with("--measure status_4xx is not a measure of flow logs"),
            "{error}"
        );
        assert!(options.grouping(Family::Requests, 0).is_ok());
        options.by = vec![By::Src];
        let error = options
            .grouping(Family::Requests, 0)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "--by src is not a key of request logs");
    }
}
