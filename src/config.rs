//! What a scan is to do, checked: every setting in its range, every contradiction refused.

use std::path::PathBuf;

use crate::detect::{DetectOptions, ThresholdRule};
use crate::format::ReadOptions;
use crate::format::timestamp::TimeForm;
use crate::report::OutputOptions;
use crate::support::error::{Error, ErrorKind, Result};

/// Everything that a scan needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Files, folders, globs, `-`.
    pub inputs: Vec<PathBuf>,
    /// How to read them.
    pub ingest: ReadOptions,
    /// What to look for.
    pub detect: DetectOptions,
    /// What to write.
    pub outputs: OutputOptions,
    /// Sources worked on side by side; rayon's own pool is set apart from this.
    pub workers: usize,
    /// Most memory that the process shall take, in bytes.
    pub max_memory: u64,
    /// Whether sources that an earlier run has scanned, and that are still the same, are left as they are.
    pub resume: bool,
}

/// Most memory that a scan takes unless told otherwise.
pub const DEFAULT_MAX_MEMORY: u64 = 512 << 20;
/// Most value columns that are judged together.
const MOST_COLUMNS: usize = u16::MAX as usize;
/// Least memory that a scan can be told to take: below, not even a scan that keeps no row in memory
/// stays within its limit.
const LEAST_MEMORY: u64 = 192 << 20;
/// What a scan takes beside rows: the program and its libraries, tables of the forest, a million
/// anomalies. Measured on a hundred million rows from a pipe.
const FIXED_MEMORY: u64 = 160 << 20;
/// What each worker takes beside rows: text being parsed, a batch of parsed rows, a picture.
const WORKER_MEMORY: u64 = 56 << 20;

/// Address space that a scan takes beside its rows and its workers, at most: the program and its
/// libraries, threads, and what the allocator holds in reserve. Measured under `ulimit -v`.
const FIXED_ADDRESSES: u64 = 448 << 20;

impl Plan {
    /// A plan to scan `inputs` with every setting at its default.
    pub fn new(inputs: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            ingest: ReadOptions::default(),
            detect: DetectOptions::default(),
            outputs: OutputOptions::default(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            max_memory: DEFAULT_MAX_MEMORY,
            resume: false,
        }
    }

    /// Takes no more memory than the process may have addresses (`ulimit -v`), where that is limited:
    /// an allocation beyond would end the process.
    ///
    /// # Errors
    /// [`ErrorKind::Read`] where not even a scan that keeps no row in memory is sure to fit.
    pub fn fit_addresses(&mut self, limit: Option<u64>) -> Result<()> {
        let Some(limit) = limit else {
            return Ok(());
        };
        let least = FIXED_ADDRESSES + self.workers as u64 * WORKER_MEMORY;
        let Some(left) = limit.checked_sub(least) else {
            return Err(Error::new(
                ErrorKind::Read,
                format!(
                    "the address space is limited to {} MiB (ulimit -v), and a scan may take {} MiB \
                     with {} threads",
                    limit >> 20,
                    least >> 20,
                    self.workers
                ),
            ));
        };
        // Rows are held twice while they are put into time order.
        let rows = left / 2;
        let most = LEAST_MEMORY.max(FIXED_MEMORY + self.workers as u64 * WORKER_MEMORY + rows);
        self.max_memory = self.max_memory.min(most);
        Ok(())
    }

    /// Memory left for rows, in bytes.
    pub fn row_memory(&self) -> u64 {
        self.max_memory
            .saturating_sub(FIXED_MEMORY + self.workers as u64 * WORKER_MEMORY)
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] with the setting and the rule.
    pub fn check(&self) -> Result<()> {
        let refuse = |text: String| Err(Error::new(ErrorKind::Setting, text));
        if self.inputs.is_empty() {
            return refuse(
                "no input: name files, folders, quoted globs, or - for standard input".into(),
            );
        }
        if let Some(format) = &self.ingest.timestamp_format {
            TimeForm::from_format(format, self.ingest.zone)?;
        }
        if self.ingest.value_columns.is_empty() {
            return refuse("no value column".into());
        }
        if self.ingest.value_columns.len() > MOST_COLUMNS {
            return refuse(format!(
                "{} value columns are more than {MOST_COLUMNS}",
                self.ingest.value_columns.len()
            ));
        }
        for (number, column) in self.ingest.value_columns.iter().enumerate() {
            if self.ingest.value_columns[..number]
                .iter()
                .any(|c| c.eq_ignore_ascii_case(column))
            {
                return refuse(format!("--value-column {column} is given twice"));
            }
        }
        if let Some(name) = &self.outputs.base_name
            && (name.is_empty()
                || name.contains(['/', '\\', '\0'])
                || matches!(name.as_str(), "." | ".."))
        {
            return refuse(format!(
                "--output {name:?} is no file name: the folder is chosen with --out-dir"
            ));
        }
        if self.max_memory < LEAST_MEMORY {
            return refuse(format!(
                "--max-memory {} is too little: a scan takes up to {} MiB beside its rows",
                self.max_memory,
                LEAST_MEMORY >> 20
            ));
        }
        if let ThresholdRule::Score(score) = self.detect.threshold
            && !(0.0..=1.0).contains(&score)
        {
            return refuse(format!(
                "--threshold {score} is outside [0, 1], where scores lie"
            ));
        }
        Ok(())
    }

    /// A number that differs where anything differs that shapes what is written about a source.
    pub fn settings_mark(&self) -> u64 {
        let outputs = OutputOptions {
            folder: PathBuf::new(),
            ..self.outputs.clone()
        };
        mark(&(&self.ingest, &self.detect, outputs))
    }

    /// The same for what rows are judged by, the threshold apart.
    pub fn judgement_mark(&self) -> u64 {
        let detect = DetectOptions {
            threshold: ThresholdRule::default(),
            ..self.detect.clone()
        };
        mark(&(&self.ingest, detect))
    }
}

/// What an option is called in a debugger names it and its value, those yet to come among them.
fn mark(options: &impl std::fmt::Debug) -> u64 {
    xxhash_rust::xxh3::xxh3_64(format!("{options:?}").as_bytes())
}

/// The most addresses that this process may have, in bytes; none where there is no limit, or none told.
pub fn address_limit() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Plan)) -> String {
        let mut plan = Plan::new(["logs"]);
        change(&mut plan);
        plan.check().unwrap_err().to_string()
    }

    #[test]
    fn the_default_plan_is_sound() {
        assert!(Plan::new(["logs"]).check().is_ok());
    }

    #[test]
    fn a_mark_differs_with_what_it_stands_for_and_with_nothing_else() {
        let plan = Plan::new(["logs"]);
        let marks = |plan: &Plan| (plan.settings_mark(), plan.judgement_mark());
        let changed = |change: fn(&mut Plan)| {
            let mut other = plan.clone();
            change(&mut other);
            let (was, is) = (marks(&plan), marks(&other));
            (was.0 != is.0, was.1 != is.1)
        };
        let nothing = changed(|plan| {
            plan.inputs.clear();
            plan.outputs.folder = "elsewhere".into();
            plan.workers += 1;
            plan.max_memory += 1;
            plan.resume = true;
        });
        assert_eq!(nothing, (false, false));
        let threshold = changed(|plan| plan.detect.threshold = ThresholdRule::Score(0.7));
        assert_eq!(threshold, (true, false));
        assert_eq!(changed(|plan| plan.outputs.csv_safe = true), (true, false));
        let column = changed(|plan| plan.ingest.timestamp_column.push('x'));
        assert_eq!(column, (true, true));
    }

    #[test]
    fn an_output_name_cannot_lead_out_of_the_output_folder() {
        for name in ["../x", "a/b", "..", ""] {
            let text = refusal(|plan| plan.outputs.base_name = Some(name.into()));
            assert!(text.contains("is no file name"), "{text}");
        }
    }

    #[test]
    fn few_addresses_leave_less_memory_and_too_few_are_refused() {
        let mut plan = Plan::new(["logs"]);
        plan.workers = 2;
        plan.fit_addresses(None).unwrap();
        plan.fit_addresses(Some(4 << 30)).unwrap();
        assert_eq!(plan.max_memory, DEFAULT_MAX_MEMORY);
        plan.fit_addresses(Some(800 << 20)).unwrap();
        assert_eq!(plan.row_memory(), 120 << 20);
        assert!(plan.check().is_ok());
        let error = plan.fit_addresses(Some(500 << 20)).unwrap_err().to_string();
        assert!(
            error.starts_with("the address space is limited to 500 MiB"),
            "{error}"
        );
    }

    #[test]
    fn a_column_named_twice_is_refused() {
        let text = refusal(|plan| plan.ingest.value_columns = vec!["a".into(), "A".into()]);
        assert_eq!(text, "--value-column A is given twice");
    }

    #[test]
    fn a_threshold_that_is_no_score_is_refused() {
        let text = refusal(|plan| plan.detect.threshold = ThresholdRule::Score(f64::NAN));
        assert_eq!(text, "--threshold NaN is outside [0, 1], where scores lie");
    }
}
