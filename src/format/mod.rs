//! Tells what an input holds, and reads it.
//!
//! In: an input and what the user said about reading. Out: of a table of series, its usable rows in blocks of
//! columns; of a record log, its records one by one; with a count of what could not be used.

mod access;
mod argus;
mod azure;
mod cloudflare;
#[cfg(test)]
mod collected;
mod columns;
pub(crate) mod delimited;
mod envelope;
mod fields;
mod filterlog;
mod gcp;
mod haproxy;
mod iptables;
mod json;
mod load_balancer;
mod nfdump;
mod number;
mod parquet;
mod parquet_records;
mod recognise;
pub mod record;
mod s3_access;
pub mod samples;
mod squid;
mod suricata;
mod syslog_clock;
pub mod timestamp;
mod vpc_flow;
mod w3c;
mod words;
mod zeek;

use serde::{Deserialize, Serialize};

use crate::input::Source;
use crate::input::open::{Opened, open};
use crate::input::watch::Watch;
use crate::runtime::cancel::CancelToken;
use crate::support::error::{Error, ErrorKind, Result, quoted};

pub(crate) use self::columns::find_columns;
pub use self::delimited::DroppedRow;
pub(crate) use self::parquet_records::text_of_parquet;
pub use self::recognise::{RecordLog, recognise_records};
pub use self::timestamp::Zone;
pub use crate::storage::fingerprint::Fingerprint;

/// Every format of record logs, in the order in which they are tried. A new format is a file of its own and a
/// line here.
pub static RECORD_FORMATS: &[&dyn record::RecordFormat] = &[
    &zeek::Zeek,
    &suricata::Suricata,
    &nfdump::Nfdump,
    &vpc_flow::VpcFlow,
    &w3c::W3c,
    &argus::Argus,
    &load_balancer::LoadBalancer,
    &s3_access::S3Access,
    &haproxy::HaProxy,
    &squid::Squid,
    &cloudflare::Cloudflare,
    &gcp::Gcp,
    &azure::Azure,
    &filterlog::Filterlog,
    &iptables::Iptables,
    // The layout of access logs is the most free: whatever may be something else is tried before.
    &access::Access,
];

/// Which columns to read, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadOptions {
    /// Name of the timestamp column, matched without regard to case and surrounding blanks.
    pub timestamp_column: String,
    /// Names of the value columns, at least one.
    pub value_columns: Vec<String>,
    /// The form of the timestamps, where it is not to be recognised.
    pub timestamp_format: Option<String>,
    /// Zone of timestamps that name none.
    pub zone: Zone,
    /// Whether a comma in a number is the decimal comma, where the user says so; otherwise it is recognised.
    pub decimal_comma: Option<bool>,
    /// Largest share of rows that cannot be used, in [0, 1]: beyond it, an input is taken for something else and fails.
    pub max_dropped: f64,
    /// Most bytes that one input may have once it is unpacked, where there is such a limit: a guard
    /// against small files that unpack to endless ones.
    pub max_bytes: Option<u64>,
}

impl Default for ReadOptions {
    /// `timestamp` and `value`, the form recognised, UTC, no limit.
    fn default() -> Self {
        Self {
            timestamp_column: "timestamp".to_owned(),
            value_columns: vec!["value".to_owned()],
            timestamp_format: None,
            zone: Zone::default(),
            decimal_comma: None,
            max_dropped: 0.2,
            max_bytes: None,
        }
    }
}

/// Rows that could not be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dropped {
    /// How many.
    pub rows: u64,
    /// The first three, with the reason.
    pub first: Vec<DroppedRow>,
}

/// How many dropped rows are named.
pub(crate) const NAMED_DROPS: usize = 3;

impl Dropped {
    /// Names a dropped row, where it is one of the first.
    pub(crate) fn name(&mut self, row: DroppedRow) {
        if self.first.len() < NAMED_DROPS {
            self.first.push(row);
        }
    }
}

/// A timestamp column whose form nobody knows, shown by its first cell.
fn unknown_time_form(cell: &[u8]) -> Error {
    Error::new(
        ErrorKind::NoUsableRow,
        format!(
            "the timestamp {} is not in a recognised format; try --timestamp-format '%d.%m.%Y %H:%M'",
            quoted(cell)
        ),
    )
}

/// Takes the rows of an input, in its order.
pub trait RowSink {
    /// The names of the value columns: called once, before any row.
    ///
    /// # Errors
    /// Those of the implementation; reading ends with them.
    fn begin(&mut self, columns: &[String]) -> Result<()>;

    /// Usable rows: timestamps in microseconds UTC, and for each value column as many finite values.
    ///
    /// # Errors
    /// Those of the implementation; reading ends with them.
    fn rows(&mut self, timestamps_us: Vec<i64>, values: Vec<Vec<f64>>) -> Result<()>;
}

/// What reading an input gave, beside its rows.
#[derive(Debug)]
pub struct ReadReport {
    /// Rows that could not be used.
    pub dropped: Dropped,
    /// The form that was recognised, in words.
    pub form: String,
    /// Bytes of text read, unpacked; for parquet the size of the file.
    pub bytes: u64,
    /// What was guessed: for the user to read.
    pub notes: Vec<String>,
    /// What the input held; `None` for parquet, which is not read from end to end.
    pub content: Option<Fingerprint>,
}

/// Reads an input whole and hands its usable rows to `sink`, block by block.
///
/// Rows without a usable time or number are dropped and counted. A text is parsed on rayon's threads while the next
/// block is read; call it from a thread that is not one of these. Memory does not grow with the input.
///
/// # Errors
/// With the input's path and, where known, the line: [`ErrorKind::Read`], [`ErrorKind::Format`],
/// [`ErrorKind::Column`], [`ErrorKind::NoUsableRow`] where nothing is recognised as a row, and those of `sink`.
pub fn read(
    source: &Source,
    options: &ReadOptions,
    stop: &CancelToken,
    sink: &mut dyn RowSink,
) -> Result<ReadReport> {
    let watch = Watch::new(stop);
    let mut read = || match open(source, &watch, options.max_bytes)? {
        Opened::Text(mut text) => {
            let recognised = delimited::recognise(&mut text, options)?;
            let (form, notes) = (recognised.describe(), recognised.notes().to_vec());
            let (dropped, bytes) = delimited::read(*text, recognised, sink)?;
            Ok(ReadReport {
                dropped,
                form,
                bytes,
                notes,
                content: Some(watch.content()),
            })
        }
        Opened::Parquet(file) => {
            let recognised = parquet::recognise(file, options)?;
            let (form, bytes) = (recognised.describe(), recognised.bytes());
            Ok(ReadReport {
                notes: recognised.notes().to_vec(),
                dropped: parquet::read(recognised, options, sink)?,
                form,
                bytes,
                content: None,
            })
        }
    };
    read().map_err(|error: Error| error.at(source.path()))
}

/// Reads all bytes of a source and drops them: what reading costs before anything is made of it.
/// Returns their number, unpacked; of a parquet file, that of the packed bytes.
///
/// # Errors
/// [`ErrorKind::Read`] and [`ErrorKind::Format`], as [`read`].
pub fn read_bytes(source: &Source) -> Result<u64> {
    let count = || match open(source, &Watch::default(), None)? {
        Opened::Text(mut text) => {
            let mut block = Vec::new();
            while !text.at_end() {
                text.next_block(&mut block)?;
            }
            Ok(text.bytes())
        }
        Opened::Parquet(mut file) => std::io::copy(&mut file, &mut std::io::sink())
            .map_err(|cause| Error::new(ErrorKind::Read, "cannot be read").caused_by(cause)),
    };
    count().map_err(|error: Error| error.at(source.path()))
}

/// Says in words which form a source has, from its head alone.
///
/// # Errors
/// As [`read`], so far as the head shows it.
pub fn recognise(source: &Source, options: &ReadOptions) -> Result<String> {
    let form = match open(source, &Watch::default(), options.max_bytes) {
        Ok(Opened::Text(mut text)) => {
            delimited::recognise(&mut text, options).map(|form| form.describe())
        }
        Ok(Opened::Parquet(file)) => parquet::recognise(file, options).map(|form| form.describe()),
        Err(error) => Err(error),
    };
    form.map_err(|error| error.at(source.path()))
}

/// Refuses an input of which more than a share of `max_dropped` cannot be used: it was recognised wrongly, or is something
/// else. `usable` counts what can be.
///
/// # Errors
/// [`ErrorKind::Format`] with both counts and the first row that was dropped.
pub(crate) fn check_dropped(dropped: &Dropped, usable: u64, max_dropped: f64) -> Result<()> {
    let all = dropped.rows + usable;
    if dropped.rows as f64 <= max_dropped * all as f64 {
        return Ok(());
    }
    let first = dropped.first.first();
    let why = first.map_or(String::new(), |row| {
        format!("; the first is dropped because {}", row.reason)
    });
    let error = Error::new(
        ErrorKind::Format,
        format!(
            "{} of {all} rows cannot be used, more than --max-dropped {}{why}",
            dropped.rows, max_dropped
        ),
    );
    Err(match first {
        Some(row) => error.on_line(row.line),
        None => error,
    })
}

/// An input with no usable row: why, by the first that was dropped.
pub(crate) fn no_usable_row(dropped: &Dropped) -> Error {
    match dropped.first.first() {
        Some(first) => Error::new(
            ErrorKind::NoUsableRow,
            format!(
                "no usable row among {}; the first is dropped because {}",
                dropped.rows, first.reason
            ),
        )
        .on_line(first.line),
        None => Error::new(ErrorKind::NoUsableRow, "there is a header and no row"),
    }
}
