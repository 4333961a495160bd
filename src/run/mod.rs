//! The run: every source through ingest, detection and report, side by side, results in source order.
//!
//! Plain worker threads carry one source each through all stages. They may wait for polars; the
//! arithmetic in between runs on rayon's threads, which never do. One collector, on the caller's
//! thread, puts the results back into source order and writes what belongs to the run as a whole.

pub mod bench;
pub mod progress;
pub(crate) mod single;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender};

use self::progress::Progress;
use crate::config::Job;
use crate::detect::Incident;
use crate::format;
use crate::input::discover::{self, Discovered};
use crate::input::{Location, Source};
use crate::report::OutputOptions;
use crate::report::summary::Summary;
use crate::report::tables::{AnomalyTable, IncidentTable};
use crate::runtime::cancel::CancelToken;
use crate::runtime::memory::Memory;
use crate::runtime::panics;
use crate::state::outcome::Outcome;
use crate::state::{State, owned, with_ending};
use crate::storage::atomic;
use crate::support::error::{Error, ErrorKind, Result};

/// Scans what `job` names, and writes graphs, tables and `summary.json`; returns the summary.
///
/// A source that fails costs only itself: it is in the summary with its reason. Where `stop` is set, the
/// sources in work are abandoned, and the outputs tell of those that were finished before.
///
/// # Errors
/// Where nothing matches, another scan writes into the same folder, or the
/// run's own outputs cannot be written; [`ErrorKind::Interrupted`] where it was stopped before it began.
pub fn scan(
    job: &Job,
    arguments: Vec<String>,
    progress: &dyn Progress,
    stop: &CancelToken,
) -> Result<Summary> {
    let start = Instant::now();
    let folder = &job.output().folder;
    let found = discover::discover(job.inputs(), folder, stop)?;
    let sources = with_base_name(found.sources, job.output())?;
    refuse_overwriting(&sources, job)?;
    atomic::prepare_folder(folder)?;
    let state = State::open(folder)?;
    let csv_safe = job.output().csv_safe;
    let columns = &job.read().value_columns;
    let mut anomalies = AnomalyTable::create(folder, columns, csv_safe)?;
    let mut incidents = IncidentTable::create(folder, columns, csv_safe)?;
    let mut summary = Summary::new(arguments, job);
    progress.started((sources.len() + found.failed.len()) as u64);
    let mut unopened = Vec::new();
    for error in found.failed {
        unopened.extend(error.path().map(Path::to_path_buf));
        let outcome = Outcome::Failed {
            source: None,
            error,
        };
        summary.add(&outcome);
        progress.source_ended(&outcome);
    }
    let stop = stop.for_one_run();
    let work = Arc::new(Work {
        memory: Arc::new(Memory::new(job.row_memory(), folder).stopped_by(&stop)),
        job: job.clone(),
        next: AtomicUsize::new(0),
        sources,
        state,
        stop,
    });
    let mut outputs: Vec<PathBuf> = Vec::new();
    let left = in_source_order(&work, |outcome| {
        if let Outcome::Done(done) = &outcome {
            let (name, threshold) = (done.source.name(), done.threshold);
            anomalies.push(&name, &done.anomalies, &done.usual, threshold)?;
            let reported: Vec<&Incident> = done.reported(job.output().min_severity).collect();
            incidents.push(&name, &reported, threshold)?;
            if !done.kept {
                outputs.extend(done.outputs.iter().cloned());
            }
        }
        summary.add(&outcome);
        progress.source_ended(&outcome);
        Ok(())
    });
    progress.ended();
    let left = left?;
    match left.is_empty() {
        true => work.state.forget_moved(&work.sources, &unopened)?,
        false => summary.interrupt(left.iter().map(|&number| work.sources[number].name())),
    }
    for path in [anomalies.finish()?, incidents.finish()?].concat() {
        summary.outputs.push(path.to_string_lossy().into_owned());
        outputs.push(path);
    }
    summary.finish(&found.skipped);
    summary.seconds = start.elapsed().as_secs_f64();
    outputs.push(summary.write(folder)?);
    atomic::sync_names(folder, outputs.iter().map(PathBuf::as_path))?;
    Ok(summary)
}

/// Refuses inputs that the outputs would be written over.
fn refuse_overwriting(sources: &[Source], job: &Job) -> Result<()> {
    let Ok(folder) = fs::canonicalize(&job.output().folder) else {
        // A folder that is not there yet holds no input.
        return Ok(());
    };
    let inside: Vec<(&Path, PathBuf)> = sources
        .iter()
        .filter_map(|source| match &source.location {
            Location::File(path) => {
                let place = fs::canonicalize(path).ok()?;
                let below = place.strip_prefix(&folder).ok()?.to_path_buf();
                Some((path.as_path(), below))
            }
            Location::StandardInput => None,
        })
        .collect();
    if inside.is_empty() {
        return Ok(());
    }
    let endings = single::endings(job);
    let of_sources = sources.iter().flat_map(|source| {
        let stem = &source.output_stem;
        endings.iter().map(|ending| with_ending(stem, ending))
    });
    let of_run = owned::OF_A_RUN.iter().map(PathBuf::from);
    let written: HashSet<PathBuf> = of_sources.chain(of_run).collect();
    match inside.iter().find(|(_, below)| written.contains(below)) {
        Some((path, _)) => Err(Error::new(
            ErrorKind::Setting,
            "an output of this scan would be written over this input: choose another folder with --out-dir",
        )
        .at(path)),
        None => Ok(()),
    }
}

/// One line for each source that a scan would read: its path and recognised form, or what is wrong.
/// Reads no more than the head of each.
#[derive(Debug)]
pub struct Preview {
    /// Path of each source, with its form in words.
    pub sources: Vec<(Source, Result<String>)>,
    /// What discovery met besides.
    pub found: Discovered,
}

/// Finds the sources of `job` and recognises their forms, without scanning or writing anything.
///
/// # Errors
/// Where nothing matches.
pub fn preview(job: &Job) -> Result<Preview> {
    let mut found = discover::discover(job.inputs(), &job.output().folder, &CancelToken::new())?;
    let sources = with_base_name(std::mem::take(&mut found.sources), job.output())?;
    let sources = sources
        .into_iter()
        .map(|source| {
            let form = format::recognise(&source, job.read());
            (source, form)
        })
        .collect();
    Ok(Preview { sources, found })
}

fn with_base_name(mut sources: Vec<Source>, outputs: &OutputOptions) -> Result<Vec<Source>> {
    if let Some(name) = &outputs.base_name {
        match sources.as_mut_slice() {
            [one] => one.output_stem = PathBuf::from(name),
            several => {
                return Err(Error::new(
                    ErrorKind::Setting,
                    format!(
                        "--output {name} names the outputs of one input, and there are {}",
                        several.len()
                    ),
                ));
            }
        }
    }
    Ok(sources)
}

/// What the worker threads share.
struct Work {
    sources: Vec<Source>,
    job: Job,
    memory: Arc<Memory>,
    state: State,
    stop: CancelToken,
    /// The next source that nobody has taken.
    next: AtomicUsize,
}

/// How often the collector looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);
/// How long sources in work may take to notice that they are abandoned. After that they are not waited for:
/// a file system that does not answer, or one long step of arithmetic, shall not keep the run from ending.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Scans all sources on worker threads and hands each outcome to `take`, in the order of `sources`. Returns
/// the numbers of those that were left when the run was stopped.
fn in_source_order(
    work: &Arc<Work>,
    mut take: impl FnMut(Outcome) -> Result<()>,
) -> Result<Vec<usize>> {
    let workers = work.job.workers().clamp(1, work.sources.len().max(1));
    let (send, receive) = crossbeam_channel::bounded(2 * workers);
    for number in 0..workers {
        let (work, send) = (Arc::clone(work), send.clone());
        let started = std::thread::Builder::new()
            .name(format!("source-{number}"))
            .spawn(move || {
                scan_sources(&work, &send);
                // The collector takes the end of the last sender for the end of all work.
                drop(work);
                drop(send);
            });
        match started {
            Ok(_) => {}
            // Fewer do as well.
            Err(_) if number > 0 => break,
            Err(cause) => {
                return Err(
                    Error::new(ErrorKind::Internal, "no thread can be started").caused_by(cause)
                );
            }
        }
    }
    drop(send);
    let mut early = BTreeMap::new();
    let mut wanted = 0;
    let mut failed = None;
    let mut stopped: Option<Instant> = None;
    loop {
        match receive.recv_timeout(LOOK) {
            Ok((number, outcome)) => {
                early.insert(number, outcome);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if work.stop.check().is_err() {
            match stopped {
                Some(since) if since.elapsed() > PATIENCE => break,
                Some(_) => {}
                None => stopped = Some(Instant::now()),
            }
        }
        while failed.is_none()
            && let Some(outcome) = early.remove(&wanted)
        {
            wanted += 1;
            if let Err(error) = take(outcome) {
                work.stop.cancel();
                failed = Some(error);
            }
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    // What was finished behind a source that was abandoned.
    let mut left = Vec::new();
    for number in wanted..work.sources.len() {
        match early.remove(&number) {
            Some(outcome) => take(outcome)?,
            None => left.push(number),
        }
    }
    Ok(left)
}

/// Scans one source after the other until none is left, or the run is to stop.
fn scan_sources(work: &Work, send: &Sender<(usize, Outcome)>) {
    while work.stop.check().is_ok() {
        let number = work.next.fetch_add(1, Ordering::Relaxed);
        let Some(source) = work.sources.get(number) else {
            return;
        };
        let result = panics::guarded(|| single::scan(source, &work.job, &work.memory, &work.state));
        let outcome = match result {
            Ok(done) => Outcome::Done(Box::new(done)),
            // Whatever it says: it may have failed because it is abandoned.
            Err(_) if work.stop.check().is_err() => return,
            Err(error) => {
                // What an earlier run made of it must not pass for today's. Where it will not go, there is an
                // error about the same folder already.
                let _ = work.state.forget(source);
                Outcome::Failed {
                    source: Some(source.clone()),
                    error: error.at(source.path()),
                }
            }
        };
        // The collector is gone only where the run is over.
        if send.send((number, outcome)).is_err() {
            return;
        }
    }
}
