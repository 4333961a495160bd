//! What was asked, checked once: [`Settings`] in, a [`Job`] out, or an error that names the setting.
//!
//! The options of each stage are defined in that stage; here they are put together, checked against each other
//! and against the machine. Whatever takes a [`Job`] need not check anything again.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::detect::{DetectOptions, Detector, ThresholdRule};
use crate::format::ReadOptions;
use crate::format::timestamp::TimeForm;
use crate::group::GroupOptions;
use crate::input::discover::SearchOptions;
use crate::report::OutputOptions;
use crate::runtime::limits;
use crate::support::error::{Error, ErrorKind, Result};

/// What is asked of a scan, an evaluation or a benchmark, not yet checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Files, folders, globs, `-`.
    pub inputs: Vec<PathBuf>,
    /// What of it is left out.
    pub search: SearchOptions,
    /// How to read them.
    pub read: ReadOptions,
    /// How records become series.
    pub group: GroupOptions,
    /// What to look for.
    pub detect: DetectOptions,
    /// What to look for in the series of record logs.
    pub detect_records: DetectOptions,
    /// What to write.
    pub output: OutputOptions,
    /// With which means.
    pub run: RunOptions,
}

/// With which means a job is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    /// Inputs worked on side by side; 0 stands for as many as there are processors, and so does any
    /// greater number. The threads of rayon's pool are set apart from this.
    pub threads: usize,
    /// Most memory that the process may take, in bytes.
    pub max_memory: u64,
    /// Whether inputs that an earlier run has scanned, and that are still the same, are left as they are.
    pub resume: bool,
    /// Whether outputs of earlier runs that match no input of this one are removed.
    pub prune: bool,
}

/// Most value columns that are judged together.
const MAX_COLUMNS: usize = u16::MAX as usize;
/// Smallest `max_memory`. Below it, not even a scan that keeps no row in memory stays within its limit.
const MIN_MEMORY: u64 = 192 << 20;
/// What a scan takes besides rows: the program and its libraries, tables of the forest, a million
/// anomalies. Measured on a hundred million rows from a pipe.
const FIXED_MEMORY: u64 = 160 << 20;
/// What each worker takes besides rows: text being parsed, a batch of parsed rows, a picture.
const WORKER_MEMORY: u64 = 56 << 20;
/// Address space that a scan takes at most besides its rows and its workers: the program and its
/// libraries, threads, and what the allocator holds in reserve. Measured under `ulimit -v`.
const FIXED_ADDRESSES: u64 = 544 << 20;

impl Default for RunOptions {
    /// All processors, 512 MiB, everything anew.
    fn default() -> Self {
        Self {
            threads: 0,
            max_memory: 512 << 20,
            resume: false,
            prune: false,
        }
    }
}

impl Settings {
    /// Everything at its default for `inputs`.
    pub fn new(inputs: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            search: SearchOptions::default(),
            read: ReadOptions::default(),
            group: GroupOptions::default(),
            detect: DetectOptions::default(),
            detect_records: DetectOptions {
                detector: Detector::Context,
                threshold: ThresholdRule::Auto,
                ..DetectOptions::default()
            },
            output: OutputOptions::default(),
            run: RunOptions::default(),
        }
    }
}

/// A job: settings that are in their ranges, do not contradict each other and fit the machine.
///
/// Serialised, it is its [`Settings`]; they are checked again when it is read back.
///
/// ```
/// use isoscan::config::{Job, Settings};
/// let job = Job::new(Settings::new(["logs"]))?;
/// assert!(job.workers() >= 1);
/// assert!(Job::new(Settings::new(Vec::<String>::new())).is_err());
/// # Ok::<(), isoscan::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct Job {
    settings: Settings,
    workers: usize,
    max_memory: u64,
    settings_fingerprint: u64,
    judgement_fingerprint: u64,
}

impl Job {
    /// Checks `settings`, and fits them to the processors and the address space that the process has.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] with the setting and the rule; [`ErrorKind::Read`] where the address space
    /// (`ulimit -v`) is too small for a scan that keeps no row in memory.
    pub fn new(settings: Settings) -> Result<Self> {
        Self::on_machine(settings, limits::processors(), limits::address_space())
    }

    fn on_machine(settings: Settings, processors: usize, addresses: Option<u64>) -> Result<Self> {
        check_inputs(&settings.inputs)?;
        check_read(&settings.read)?;
        check_group(&settings.group)?;
        check_detect(&settings.detect)?;
        check_output(&settings.output)?;
        check_memory(settings.run.max_memory)?;
        let workers = match settings.run.threads {
            0 => processors,
            threads => threads.min(processors),
        };
        let max_memory = match addresses {
            Some(limit) => settings.run.max_memory.min(memory_within(limit, workers)?),
            None => settings.run.max_memory,
        };
        let judgement = DetectOptions {
            threshold: ThresholdRule::default(),
            ..settings.detect.clone()
        };
        let output = OutputOptions {
            folder: PathBuf::new(),
            ..settings.output.clone()
        };
        Ok(Self {
            workers,
            max_memory,
            settings_fingerprint: fingerprint(&(
                &settings.read,
                &settings.group,
                &settings.detect,
                output,
            ))?,
            judgement_fingerprint: fingerprint(&(&settings.read, &settings.group, judgement))?,
            settings,
        })
    }

    /// Files, folders, globs, `-`: at least one.
    pub fn inputs(&self) -> &[PathBuf] {
        &self.settings.inputs
    }

    /// What of it is left out.
    pub fn search(&self) -> &SearchOptions {
        &self.settings.search
    }

    /// How to read them.
    pub fn read(&self) -> &ReadOptions {
        &self.settings.read
    }

    /// How records become series.
    pub fn group(&self) -> &GroupOptions {
        &self.settings.group
    }

    /// What to look for in the series of record logs.
    pub fn detect_records(&self) -> &DetectOptions {
        &self.settings.detect_records
    }

    /// What to look for.
    pub fn detect(&self) -> &DetectOptions {
        &self.settings.detect
    }

    /// What to write.
    pub fn output(&self) -> &OutputOptions {
        &self.settings.output
    }

    /// Whether inputs that an earlier run has scanned, and that are still the same, are left as they are.
    pub fn resume(&self) -> bool {
        self.settings.run.resume
    }

    /// Whether outputs of earlier runs that match no input of this one are removed.
    pub fn prune(&self) -> bool {
        self.settings.run.prune
    }

    /// Inputs worked on side by side, from 1 to the number of processors.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Memory left for rows, in bytes.
    pub fn row_memory(&self) -> u64 {
        let besides = FIXED_MEMORY + self.workers as u64 * WORKER_MEMORY;
        self.max_memory.saturating_sub(besides)
    }

    /// A number that differs where anything differs that shapes what is written about an input.
    pub fn settings_fingerprint(&self) -> u64 {
        self.settings_fingerprint
    }

    /// A number that differs where anything differs that rows are judged by, the threshold apart.
    pub fn judgement_fingerprint(&self) -> u64 {
        self.judgement_fingerprint
    }
}

impl TryFrom<Settings> for Job {
    type Error = Error;

    fn try_from(settings: Settings) -> Result<Self> {
        Self::new(settings)
    }
}

impl From<Job> for Settings {
    fn from(job: Job) -> Self {
        job.settings
    }
}

fn refuse(text: impl Into<String>) -> Result<()> {
    Err(Error::new(ErrorKind::Setting, text))
}

fn check_inputs(inputs: &[PathBuf]) -> Result<()> {
    if inputs.is_empty() {
        return refuse("no input: name files, folders, quoted globs, or - for standard input");
    }
    Ok(())
}

fn check_read(read: &ReadOptions) -> Result<()> {
    if let Some(format) = &read.timestamp_format {
        TimeForm::from_format(format, read.zone)?;
    }
    let columns = &read.value_columns;
    if columns.is_empty() {
        return refuse("no value column: name one with --value-column");
    }
    if columns.len() > MAX_COLUMNS {
        return refuse(format!(
            "{} value columns are too many: at most {MAX_COLUMNS} are judged together",
            columns.len()
        ));
    }
    for (number, column) in columns.iter().enumerate() {
        let earlier = &columns[..number];
        if earlier.iter().any(|c| c.eq_ignore_ascii_case(column)) {
            return refuse(format!("--value-column {column} is given twice"));
        }
    }
    Ok(())
}

fn check_group(group: &GroupOptions) -> Result<()> {
    if !(0.0..=1.0).contains(&group.max_dropped) {
        return refuse(format!(
            "--max-dropped {} is outside [0, 1]: it is the largest share of lines that do not fit",
            group.max_dropped
        ));
    }
    for (_, every_us) in &group.every_us {
        if *every_us < 1_000_000 || every_us % 1_000_000 != 0 {
            return refuse(format!(
                "--every {} us is not a whole number of seconds",
                every_us
            ));
        }
    }
    if group.top == 0 {
        return refuse("--top 0 leaves no entity to judge");
    }
    Ok(())
}

fn check_detect(detect: &DetectOptions) -> Result<()> {
    if let ThresholdRule::Score(score) = detect.threshold
        && !(0.0..=1.0).contains(&score)
    {
        return refuse(format!(
            "--threshold {score} is outside [0, 1], where scores lie"
        ));
    }
    Ok(())
}

fn check_output(output: &OutputOptions) -> Result<()> {
    if let Some(name) = &output.base_name
        && (name.is_empty()
            || name.contains(['/', '\\', '\0'])
            || matches!(name.as_str(), "." | ".."))
    {
        return refuse(format!(
            "--output {name:?} is not a file name: choose the folder with --out-dir"
        ));
    }
    Ok(())
}

fn check_memory(max_memory: u64) -> Result<()> {
    if max_memory < MIN_MEMORY {
        return refuse(format!(
            "--max-memory {max_memory} is too little: a scan takes up to {} MiB besides its rows",
            MIN_MEMORY >> 20
        ));
    }
    Ok(())
}

/// Memory that a process with so many addresses can take: an allocation beyond them would end it.
fn memory_within(addresses: u64, workers: usize) -> Result<u64> {
    let needed = FIXED_ADDRESSES + workers as u64 * WORKER_MEMORY;
    let Some(left) = addresses.checked_sub(needed) else {
        return Err(Error::new(
            ErrorKind::Read,
            format!(
                "the address space is limited to {} MiB (ulimit -v), and a scan may take {} MiB with {workers} \
                 threads",
                addresses >> 20,
                needed >> 20,
            ),
        ));
    };
    // Rows are held twice while they are put into time order.
    let rows = left / 2;
    Ok(MIN_MEMORY.max(FIXED_MEMORY + workers as u64 * WORKER_MEMORY + rows))
}

/// A hash of the names and values of all fields, so that a new field counts as soon as it is there.
fn fingerprint(options: &impl Serialize) -> Result<u64> {
    let bytes = rmp_serde::to_vec_named(options).map_err(|cause| {
        Error::new(ErrorKind::Internal, "the settings cannot be serialised").caused_by(cause)
    })?;
    Ok(xxhash_rust::xxh3::xxh3_64(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forest::{ForestParams, SampleSize};

    fn job(change: impl FnOnce(&mut Settings)) -> Result<Job> {
        let mut settings = Settings::new(["logs"]);
        change(&mut settings);
        Job::on_machine(settings, 4, None)
    }

    fn refusal(change: impl FnOnce(&mut Settings)) -> String {
        job(change).unwrap_err().to_string()
    }

    #[test]
    fn the_default_settings_are_sound() {
        assert!(job(|_| ()).is_ok());
    }

    #[test]
    fn a_fingerprint_differs_with_what_it_stands_for_and_with_nothing_else() {
        let marks = |job: &Job| (job.settings_fingerprint(), job.judgement_fingerprint());
        let usual = marks(&job(|_| ()).unwrap());
        let changed = |change: fn(&mut Settings)| {
            let other = marks(&job(change).unwrap());
            (usual.0 != other.0, usual.1 != other.1)
        };
        let nothing = changed(|settings| {
            settings.inputs = vec!["other".into()];
            settings.output.folder = "elsewhere".into();
            settings.run.threads = 3;
            settings.run.max_memory += 1;
            settings.run.resume = true;
        });
        assert_eq!(nothing, (false, false));
        let threshold = changed(|s| s.detect.threshold = ThresholdRule::Score(0.7));
        assert_eq!(threshold, (true, false));
        assert_eq!(changed(|s| s.output.csv_safe = true), (true, false));
        let column = changed(|s| s.read.timestamp_column.push('x'));
        assert_eq!(column, (true, true));
    }

    #[test]
    fn a_job_survives_being_written_and_read() {
        let job = job(|settings| {
            settings.read.zone = "Europe/Berlin".parse().unwrap();
            settings.detect.threshold = ThresholdRule::Auto;
            settings.detect.forest = ForestParams::new(7, SampleSize::Share(0.5), 3).unwrap();
            settings.output.base_name = Some("x".into());
        })
        .unwrap();
        let text = serde_json::to_string(&job).unwrap();
        let read: Job = serde_json::from_str(&text).unwrap();
        assert_eq!(read.settings, job.settings);
        assert_eq!(read.settings_fingerprint(), job.settings_fingerprint());
    }

    #[test]
    fn a_stored_job_is_checked_when_it_is_read() {
        let text = serde_json::to_string(&job(|_| ()).unwrap()).unwrap();
        for (found, wrong, rule) in [
            (
                "{\"contamination\":0.01}",
                "{\"contamination\":0.7}",
                "(0, 0.5]",
            ),
            (
                "{\"contamination\":0.01}",
                "{\"score\":2.0}",
                "--threshold 2",
            ),
            ("\"trees\":null", "\"trees\":0", "0 trees"),
            ("\"UTC\"", "\"Mars/Base\"", "Mars/Base"),
        ] {
            assert!(text.contains(found), "{text}");
            let read: std::result::Result<Job, _> =
                serde_json::from_str(&text.replace(found, wrong));
            let error = read.unwrap_err().to_string();
            assert!(error.contains(rule), "{error}");
        }
    }

    #[test]
    fn an_output_name_cannot_lead_out_of_the_output_folder() {
        for name in ["../x", "a/b", "..", ""] {
            let text = refusal(|settings| settings.output.base_name = Some(name.into()));
            assert!(text.contains("is not a file name"), "{text}");
        }
    }

    #[test]
    fn more_threads_than_processors_are_as_good_as_one_for_each() {
        for (threads, workers) in [(0, 4), (1, 1), (4, 4), (100_000, 4)] {
            let job = job(|settings| settings.run.threads = threads).unwrap();
            assert_eq!(job.workers(), workers);
        }
    }

    #[test]
    fn few_addresses_leave_less_memory_and_too_few_are_refused() {
        let with = |addresses| Job::on_machine(Settings::new(["logs"]), 2, addresses);
        let all = with(None).unwrap();
        assert_eq!(with(Some(4 << 30)).unwrap().row_memory(), all.row_memory());
        assert_eq!(with(Some(800 << 20)).unwrap().row_memory(), 72 << 20);
        let error = with(Some(500 << 20)).unwrap_err().to_string();
        let start = "the address space is limited to 500 MiB";
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn a_column_named_twice_is_refused() {
        let text = refusal(|settings| settings.read.value_columns = vec!["a".into(), "A".into()]);
        assert_eq!(text, "--value-column A is given twice");
    }

    #[test]
    fn a_threshold_outside_the_range_of_scores_is_refused() {
        let text = refusal(|settings| settings.detect.threshold = ThresholdRule::Score(f64::NAN));
        assert_eq!(text, "--threshold NaN is outside [0, 1], where scores lie");
    }
}
