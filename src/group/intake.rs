//! Reads the parts of a log side by side and sums their records.
//!
//! Workers take parts, and blocks of a part where there are fewer parts than workers. Each sums into its own table.
//! What depends on the order of a part's records, which of two reports of a flow counts, is settled in that order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::runs::Runs;
use super::seen::Seen;
use super::sums::{Grouping, Pending, Sums};
use crate::format::record::{Identity, Layout, Record, RecordSink};
use crate::format::{self, Dropped, DroppedRow, Fingerprint, NAMED_DROPS};
use crate::input::Source;
use crate::input::blocks::TextReader;
use crate::input::open::{self, Opened};
use crate::input::watch::Watch;
use crate::runtime::panics;
use crate::support::error::{Error, ErrorKind, Result};

/// Bytes of text that a worker takes at a time. Records in it lie near each other in time, so that few cells are
/// begun by several workers.
const CHUNK_BYTES: usize = 4 << 20;

/// How to read the records of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct IntakeOptions {
    /// Whether flows that are reported twice count twice.
    pub(crate) keep_duplicates: bool,
    /// Largest share of lines that do not fit.
    pub(crate) max_dropped: f64,
    /// Most bytes that one input may have once it is unpacked.
    pub(crate) max_bytes: Option<u64>,
    /// Workers side by side.
    pub(crate) workers: usize,
    /// Memory of a worker's table, beyond which it becomes a run.
    pub(crate) table_bytes: usize,
}

/// One input of a log, with the layout that its head shows.
pub(crate) struct Part {
    pub(crate) source: Source,
    pub(crate) layout: Arc<dyn Layout>,
}

/// What reading a part gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartReport {
    /// Records that count.
    pub(crate) records: u64,
    /// Records that were reported before.
    pub(crate) repeated: u64,
    /// Lines that could not be used.
    pub(crate) dropped: Dropped,
    /// Lines of another kind.
    pub(crate) other: u64,
    /// Records that were mended.
    pub(crate) mended: u64,
    /// Bytes of text, unpacked.
    pub(crate) bytes: u64,
    /// First start and last end of its records, in microseconds UTC.
    pub(crate) span_us: Option<(i64, i64)>,
    /// What it holds.
    pub(crate) content: Option<Fingerprint>,
}

/// Sums the records of `parts` into `runs`; gives a report or an error for each part.
///
/// A part that fails costs that part: the others are then read again without it.
///
/// # Errors
/// Where the run is to stop, or sums cannot be set aside.
pub(crate) fn read_parts(
    parts: &[Part],
    grouping: &Grouping,
    options: &IntakeOptions,
    runs: &mut Runs,
) -> Result<Vec<Result<PartReport>>> {
    let mut failed: BTreeMap<usize, Error> = BTreeMap::new();
    loop {
        let wanted: Vec<usize> = (0..parts.len())
            .filter(|n| !failed.contains_key(n))
            .collect();
        let reports = read_once(parts, &wanted, grouping, options, runs)?;
        let before = failed.len();
        let mut good = BTreeMap::new();
        for (&number, report) in wanted.iter().zip(reports) {
            match report.and_then(|report| few_dropped(report, options.max_dropped)) {
                Ok(report) => drop(good.insert(number, report)),
                Err(error) => drop(failed.insert(number, error)),
            }
        }
        if failed.len() > before {
            runs.clear();
            continue;
        }
        let result = |number| match failed.remove(&number) {
            Some(error) => Err(error.at(parts[number].source.path())),
            None => Ok(good.remove(&number).unwrap_or_default()),
        };
        return Ok((0..parts.len()).map(result).collect());
    }
}

/// Refuses a part of which too many lines do not fit: it is something else than it was taken for.
fn few_dropped(report: PartReport, max_dropped: f64) -> Result<PartReport> {
    let (dropped, fitting) = (report.dropped.rows, report.records + report.repeated);
    if dropped as f64 <= max_dropped * (dropped + fitting) as f64 {
        return Ok(report);
    }
    let text = format!(
        "{dropped} of {} lines do not fit, more than --max-dropped {max_dropped} allows",
        dropped + fitting
    );
    Err(match report.dropped.first.first() {
        Some(first) => Error::new(
            ErrorKind::Format,
            format!("{text}; the first because {}", first.reason),
        )
        .on_line(first.line),
        None => Error::new(ErrorKind::Format, text),
    })
}

fn read_once(
    parts: &[Part],
    wanted: &[usize],
    grouping: &Grouping,
    options: &IntakeOptions,
    runs: &Runs,
) -> Result<Vec<Result<PartReport>>> {
    let work = Work {
        options,
        runs,
        parts: wanted.iter().map(|&number| &parts[number]).collect(),
        state: Mutex::new((0, Vec::new())),
        done: wanted.iter().map(|_| Mutex::new(None)).collect(),
    };
    let workers = options.workers.max(1);
    let ended: Vec<Result<()>> = std::thread::scope(|scope| {
        let spawn = |_| scope.spawn(|| panics::guarded(|| work.run(grouping)));
        let threads: Vec<_> = (1..workers).map(spawn).collect();
        let own = panics::guarded(|| work.run(grouping));
        let others = threads.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a worker ended early")))
        });
        std::iter::once(own).chain(others).collect()
    });
    ended.into_iter().collect::<Result<Vec<()>>>()?;
    let reports = work.done.into_iter().map(|done| {
        done.into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "a part was not read")))
    });
    Ok(reports.collect())
}

/// What the workers share.
struct Work<'a> {
    options: &'a IntakeOptions,
    runs: &'a Runs,
    parts: Vec<&'a Part>,
    /// The next part that nobody has opened, and those that are open.
    state: Mutex<(usize, Vec<Arc<OpenPart>>)>,
    done: Vec<Mutex<Option<Result<PartReport>>>>,
}

/// A part that is being read.
struct OpenPart {
    number: usize,
    feed: Mutex<Feed>,
    is_ended: AtomicBool,
    turn: Mutex<Turn>,
    next_turn: Condvar,
}

/// Where the next chunk of a part comes from.
struct Feed {
    text: Box<TextReader>,
    layout: Arc<dyn Layout>,
    /// What the part held, where it is read from end to end: not of parquet.
    watch: Option<Watch>,
    chunks: u64,
}

/// What is settled chunk by chunk, in order.
struct Turn {
    /// Number of the chunk whose turn it is.
    chunk: u64,
    lines: u64,
    seen: Seen,
    report: PartReport,
    /// How many chunks there are, once that is known.
    chunks: Option<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work<'_> {
    fn run(&self, grouping: &Grouping) -> Result<()> {
        let mut sums = Sums::new(grouping.clone());
        let mut sink = ChunkSink::new();
        let mut block = Vec::new();
        while let Some(open) = self.pick() {
            self.runs.memory().stop().check()?;
            let Some((number, layout)) = self.next_chunk(&open, &mut block) else {
                continue;
            };
            sink.clear();
            let read = panics::guarded(|| {
                sink.read(&block, &layout, &mut sums);
                Ok(())
            });
            let lines = memchr::memchr_iter(b'\n', &block).count() as u64;
            self.settle(&open, number, read, lines, &mut sink, &block);
            sums.add(&sink.pending, |place| !sink.repeated[place]);
            for &(start_us, end_us) in &sink.unknown {
                sums.add_unknown(start_us, end_us);
            }
            if sums.memory_bytes() > self.options.table_bytes {
                self.write_run(&mut sums)?;
            }
        }
        self.write_run(&mut sums)
    }

    fn write_run(&self, sums: &mut Sums) -> Result<()> {
        let mut run = self.runs.begin();
        sums.write_run(&mut run)?;
        run.finish()
    }

    /// A part to take the next chunk from: a fresh one, or else one that is being read.
    fn pick(&self) -> Option<Arc<OpenPart>> {
        loop {
            let number = {
                let mut state = lock(&self.state);
                state
                    .1
                    .retain(|open| !open.is_ended.load(Ordering::Relaxed));
                if state.0 == self.parts.len() {
                    return state.1.first().cloned();
                }
                state.0 += 1;
                state.0 - 1
            };
            match self.open(number) {
                Ok(open) => {
                    let open = Arc::new(open);
                    lock(&self.state).1.push(Arc::clone(&open));
                    return Some(open);
                }
                Err(error) => *lock(&self.done[number]) = Some(Err(error)),
            }
        }
    }

    fn open(&self, number: usize) -> Result<OpenPart> {
        let part = self.parts[number];
        let watch = Watch::new(self.runs.memory().stop());
        let max_bytes = self.options.max_bytes;
        let (mut text, is_whole) = match open::open(&part.source, &watch, max_bytes)? {
            Opened::Text(text) => (text, true),
            Opened::Parquet(file) => match format::text_of_parquet(file, max_bytes)? {
                Some(text) => (Box::new(text), false),
                None => {
                    let text = "the file has other columns than when the run began";
                    return Err(Error::new(ErrorKind::Read, text));
                }
            },
        };
        let layout = Arc::clone(&part.layout);
        text.cut_with(move |block| layout.cut(block));
        Ok(OpenPart {
            number,
            feed: Mutex::new(Feed {
                text,
                layout: Arc::clone(&part.layout),
                watch: is_whole.then_some(watch),
                chunks: 0,
            }),
            is_ended: AtomicBool::new(false),
            turn: Mutex::new(Turn {
                chunk: 0,
                lines: 0,
                seen: Seen::new(),
                report: PartReport::default(),
                chunks: None,
            }),
            next_turn: Condvar::new(),
        })
    }

    /// Writes the next chunk of a part over `block`; gives its number and its layout. `None` at the end.
    fn next_chunk(&self, open: &OpenPart, block: &mut Vec<u8>) -> Option<(u64, Arc<dyn Layout>)> {
        let mut feed = lock(&open.feed);
        if open.is_ended.load(Ordering::Relaxed) {
            return None;
        }
        block.clear();
        let Feed { text, layout, .. } = &mut *feed;
        if let Err(error) = fill(text, block) {
            self.fail(open, error);
            return None;
        }
        if block.is_empty() {
            open.is_ended.store(true, Ordering::Relaxed);
            let mut turn = lock(&open.turn);
            turn.chunks = Some(feed.chunks);
            turn.report.bytes = feed.text.bytes();
            turn.report.content = feed.watch.as_ref().map(Watch::content);
            self.end_if_settled(open, &mut turn);
            return None;
        }
        let own = Arc::clone(layout);
        if let Some(after) = layout.after(block) {
            *layout = after;
        }
        feed.chunks += 1;
        Some((feed.chunks - 1, own))
    }

    /// Waits for the chunk's turn; then tells which of its records were reported before, and counts the others.
    fn settle(
        &self,
        open: &OpenPart,
        number: u64,
        read: Result<()>,
        lines: u64,
        sink: &mut ChunkSink,
        block: &[u8],
    ) {
        let mut turn = lock(&open.turn);
        while turn.chunk != number {
            turn = open
                .next_turn
                .wait(turn)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let Turn {
            seen,
            report,
            lines: lines_before,
            ..
        } = &mut *turn;
        sink.repeated.clear();
        sink.repeated.extend(
            sink.identities
                .iter()
                .map(|&identity| !self.options.keep_duplicates && seen.is_repeated(identity)),
        );
        let repeated = sink.repeated.iter().filter(|&&repeated| repeated).count() as u64;
        report.repeated += repeated;
        report.records += sink.repeated.len() as u64 - repeated;
        report.other += sink.other;
        report.mended += sink.mended;
        report.dropped.rows += sink.dropped;
        for (offset, reason) in sink.first_dropped.drain(..) {
            let above = memchr::memchr_iter(b'\n', &block[..offset.min(block.len())]).count();
            report.dropped.name(DroppedRow {
                line: *lines_before + above as u64 + 1,
                reason,
            });
        }
        report.span_us = joined(report.span_us, sink.span_us);
        *lines_before += lines;
        if let Err(error) = read {
            self.fail(open, error);
        }
        turn.chunk += 1;
        self.end_if_settled(open, &mut turn);
        open.next_turn.notify_all();
    }

    /// Ends the reading of a part with an error.
    fn fail(&self, open: &OpenPart, error: Error) {
        open.is_ended.store(true, Ordering::Relaxed);
        lock(&self.done[open.number]).get_or_insert(Err(error));
    }

    fn end_if_settled(&self, open: &OpenPart, turn: &mut Turn) {
        if turn.chunks == Some(turn.chunk) {
            let report = std::mem::take(&mut turn.report);
            lock(&self.done[open.number]).get_or_insert(Ok(report));
        }
    }
}

/// Writes the next chunk of `text` over `block`; an empty one is the end.
fn fill(text: &mut TextReader, block: &mut Vec<u8>) -> Result<()> {
    block.clear();
    let mut piece = Vec::new();
    while block.len() < CHUNK_BYTES && !text.at_end() {
        text.next_block(&mut piece)?;
        if block.is_empty() {
            std::mem::swap(block, &mut piece);
        } else {
            block.extend_from_slice(&piece);
        }
    }
    Ok(())
}

fn joined(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// What a chunk holds.
struct ChunkSink {
    pending: Vec<Pending>,
    identities: Vec<Identity>,
    repeated: Vec<bool>,
    first_dropped: Vec<(usize, String)>,
    dropped: u64,
    other: u64,
    mended: u64,
    unknown: Vec<(i64, i64)>,
    span_us: Option<(i64, i64)>,
}

impl ChunkSink {
    fn new() -> Self {
        Self {
            pending: Vec::new(),
            identities: Vec::new(),
            repeated: Vec::new(),
            first_dropped: Vec::new(),
            dropped: 0,
            other: 0,
            mended: 0,
            unknown: Vec::new(),
            span_us: None,
        }
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.identities.clear();
        self.repeated.clear();
        self.first_dropped.clear();
        self.unknown.clear();
        (self.dropped, self.other, self.mended) = (0, 0, 0);
        self.span_us = None;
    }

    fn read(&mut self, block: &[u8], layout: &Arc<dyn Layout>, sums: &mut Sums) {
        layout.read(block, &mut Filling { chunk: self, sums });
    }
}

/// A chunk being filled, with the table whose names its records use.
struct Filling<'a> {
    chunk: &'a mut ChunkSink,
    sums: &'a mut Sums,
}

impl RecordSink for Filling<'_> {
    fn record(&mut self, record: &Record<'_>) {
        let span = (record.start_us, record.end_us);
        self.chunk.span_us = Some(match self.chunk.span_us {
            Some((first, last)) => (first.min(span.0), last.max(span.1)),
            None => span,
        });
        self.chunk.pending.push(self.sums.pending(record));
        self.chunk.identities.push(record.identity);
    }

    fn dropped(&mut self, offset: usize, reason: &dyn Fn() -> String) {
        self.chunk.dropped += 1;
        if self.chunk.first_dropped.len() < NAMED_DROPS {
            self.chunk.first_dropped.push((offset, reason()));
        }
    }

    fn other(&mut self) {
        self.chunk.other += 1;
    }

    fn mended(&mut self) {
        self.chunk.mended += 1;
    }

    fn unknown(&mut self, start_us: i64, end_us: i64) {
        self.chunk.unknown.push((start_us, end_us));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::format::{Zone, recognise_records, record::RecordOptions};
    use crate::group::log::{GroupedLog, group_log};
    use crate::group::{GroupOptions, Measure};
    use crate::input::Location;
    use crate::runtime::memory::Memory;

    const HEAD: &str = "#separator \\x09\n#unset_field\t-\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_ip_bytes\tresp_ip_bytes\torig_pkts\tresp_pkts\tconn_state\n";

    /// A connection of host `src` with host `dst`, which starts at `start` and lasts `duration` seconds.
    fn row(uid: u32, start: u32, src: u8, dst: u8, duration: u32, bytes: u64) -> String {
        format!(
            "{}.0\tC{uid}\t192.0.2.{src}\t4000\t198.51.100.{dst}\t443\ttcp\t{duration}.0\t{bytes}\t7\t2\t1\tSF\n",
            1_772_409_600 + start
        )
    }

    /// What each entity has in each bucket: key, entity, bucket's start in seconds, flows, bytes out, bytes in, peers.
    type Line = (String, String, i64, u64, u64, u64, u64);

    fn grouped(name: &str, parts: &[String], workers: usize, limit: u64) -> (GroupedLog, u64) {
        let folder =
            std::env::temp_dir().join(format!("isoscan-intake-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let options = RecordOptions {
            zone: Zone::default(),
            year: 2026,
            last_month: None,
        };
        let parts = parts.iter().enumerate().map(|(number, rows)| {
            let text = HEAD.to_owned() + rows;
            let path = folder.join(format!("{number}.log"));
            std::fs::write(&path, &text).unwrap();
            let log = recognise_records(text.as_bytes(), None, &options)
                .unwrap()
                .unwrap();
            Part {
                source: Source {
                    location: Location::File(path),
                    output_stem: PathBuf::from("x"),
                    is_named: true,
                },
                layout: log.layout,
            }
        });
        let parts = parts.collect();
        let memory = Arc::new(Memory::new(limit, std::env::temp_dir()));
        let options = GroupOptions::default();
        let (log, outcomes) =
            group_log("log".into(), parts, &options, None, workers, &memory).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        let repeated = outcomes
            .iter()
            .map(|part| part.report.as_ref().unwrap().repeated)
            .sum();
        (log, repeated)
    }

    fn lines_of(log: &GroupedLog) -> Vec<Line> {
        let mut lines = Vec::new();
        log.for_each(|unit| {
            let key = &log.keys[unit.key];
            for cell in &unit.cells {
                lines.push((
                    key.by.name(),
                    String::from_utf8(unit.entity.clone()).unwrap(),
                    cell.bucket * key.every_us / 1_000_000 - 1_772_409_600,
                    cell.value(Measure::Flows),
                    cell.value(Measure::BytesOut),
                    cell.value(Measure::BytesIn),
                    cell.value(Measure::Peers),
                ));
            }
            Ok(())
        })
        .unwrap();
        lines
    }

    #[test]
    fn amounts_are_spread_in_whole_units_and_counts_stay_at_the_start() {
        let (log, _) = grouped("spread", &[row(1, 200, 1, 9, 400, 11)], 1, u64::MAX);
        let total: Vec<Line> = lines_of(&log)
            .into_iter()
            .filter(|l| l.0 == "total")
            .collect();
        let line = |start, flows, out, back, peers| {
            (
                "total".to_owned(),
                String::new(),
                start,
                flows,
                out,
                back,
                peers,
            )
        };
        // A quarter of the time lies in the first bucket and the rest in the second: 11 / 4 and 7 / 4, rounded down.
        assert_eq!(total, [line(0, 1, 2, 1, 1), line(300, 0, 9, 6, 0)]);
    }

    #[test]
    fn out_and_in_are_those_of_the_entity() {
        let (log, _) = grouped("sides", &[row(1, 0, 1, 9, 0, 11)], 1, u64::MAX);
        let of = |by: &str| {
            lines_of(&log)
                .into_iter()
                .find(|line| line.0 == by)
                .unwrap()
        };
        assert_eq!(
            (of("src").1.as_str(), of("src").4, of("src").5),
            ("192.0.2.1", 11, 7)
        );
        assert_eq!(
            (of("dst").1.as_str(), of("dst").4, of("dst").5),
            ("198.51.100.9", 7, 11)
        );
    }

    #[test]
    fn a_flow_that_one_input_reports_twice_counts_once() {
        let twice = row(1, 0, 1, 9, 0, 11) + &row(1, 0, 1, 9, 0, 11);
        let (log, repeated) = grouped(
            "twice",
            &[twice.clone(), row(1, 0, 1, 9, 0, 11)],
            2,
            u64::MAX,
        );
        let total = lines_of(&log)
            .into_iter()
            .find(|line| line.0 == "total")
            .unwrap();
        // The other input is another witness: no split may change a sum.
        assert_eq!((repeated, total.3, total.4), (1, 2, 22));
    }

    #[test]
    fn order_split_workers_and_memory_change_nothing() {
        let rows: Vec<String> = (0..600u32)
            .map(|n| {
                row(
                    n,
                    n * 7919 % 90_000,
                    (n % 13) as u8,
                    (n % 31) as u8,
                    n % 2000,
                    u64::from(n * n),
                )
            })
            .collect();
        let whole = lines_of(&grouped("whole", &[rows.concat()], 1, u64::MAX).0);
        let mut parts: Vec<String> = rows.chunks(70).map(|part| part.concat()).collect();
        parts.reverse();
        assert_eq!(lines_of(&grouped("split", &parts, 3, u64::MAX).0), whole);
        assert_eq!(lines_of(&grouped("spilled", &parts, 2, 0).0), whole);
    }

    #[test]
    fn a_part_that_fails_costs_only_itself() {
        let bad = "not a row\n".repeat(5);
        let parts = [row(1, 0, 1, 9, 0, 11), row(2, 0, 1, 9, 0, 11) + &bad];
        let folder =
            std::env::temp_dir().join(format!("isoscan-intake-{}-bad", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let options = RecordOptions {
            zone: Zone::default(),
            year: 2026,
            last_month: None,
        };
        let parts = parts.iter().enumerate().map(|(number, rows)| {
            let text = HEAD.to_owned() + rows;
            let path = folder.join(format!("{number}.log"));
            std::fs::write(&path, &text).unwrap();
            let head = (HEAD.to_owned() + &row(1, 0, 1, 9, 0, 11)).into_bytes();
            Part {
                source: Source {
                    location: Location::File(path),
                    output_stem: PathBuf::from("x"),
                    is_named: true,
                },
                layout: recognise_records(&head, None, &options)
                    .unwrap()
                    .unwrap()
                    .layout,
            }
        });
        let parts = parts.collect();
        let memory = Arc::new(Memory::unlimited());
        let (log, outcomes) = group_log(
            "log".into(),
            parts,
            &GroupOptions::default(),
            None,
            2,
            &memory,
        )
        .unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        let error = outcomes[1].report.as_ref().unwrap_err().to_string();
        assert!(
            error.contains("5 of 6 lines do not fit, more than --max-dropped 0.2 allows"),
            "{error}"
        );
        let total = lines_of(&log)
            .into_iter()
            .find(|line| line.0 == "total")
            .unwrap();
        assert_eq!((total.3, total.4), (1, 11));
    }
}
