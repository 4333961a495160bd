//! What a record log holds, and what a format must do to be read.
//!
//! In: blocks of bytes that end at the end of a record. Out: [`Record`]s, handed to a [`RecordSink`] one by
//! one. Knows nothing of buckets, entities and measures.
//!
//! # How to add a format
//!
//! A format is one file in this folder and one line in [`RECORD_FORMATS`](super::RECORD_FORMATS). Nothing else changes.
//!
//! 1. Implement [`RecordFormat`] on a unit struct. `recognise` sees the first bytes of an input and decides by content alone,
//!    never by the file's name. It returns `Ok(None)` for anything else, and an error of
//!    [`ErrorKind::Unsupported`](crate::support::error::ErrorKind::Unsupported) for a relative that cannot be scanned; the text says what
//!    the input is and which command turns it into something readable. `fields::head_lines` gives the lines that may be judged, and
//!    `fields::most_fit` the rule for layouts without a header (80 % of the lines fit).
//! 2. Implement [`Layout`] on a struct that holds what the head said: which field lies in which column, in which zone times are written.
//!    `read` turns a block into records. `fields` has addresses, whole numbers, seconds to microseconds and protocols; `json` walks
//!    the keys of an object; `timestamp` has the forms of times.
//! 3. Every line ends in exactly one call: `record`, `dropped` or `other`. Blank lines, heads and comments end in none. Only fields
//!    that the record needs are parsed, and a needed field that is neither unset nor valid drops the line with the reason.
//! 4. Keep private what is private: request lines, query strings and user names never leave `read`. A path leaves as its hash.
//! 5. Test each dialect on a few lines of your own, and call `collected::holds_for_any_bytes` with a sample: arbitrary and mutated bytes
//!    never panic, and every line is accounted for.

use std::sync::Arc;

use super::timestamp::Zone;
use crate::support::error::Result;

/// Who sends or receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint<'a> {
    /// The record does not say.
    Unknown,
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 address. IPv4 addresses mapped into IPv6 are [`V4`](Self::V4).
    V6([u8; 16]),
    /// A host name, a socket, or any other text that stands where an address is expected.
    Name(&'a [u8]),
}

/// What tells that two records of one input are about the same flow, so that it counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Nothing: the record always counts. Requests are of this kind.
    None,
    /// A hash of the flow's own identifier and its start: seen again, it is the same flow.
    Unique(u64),
    /// A hash of addresses, ports, protocol, start, end, packets and bytes, and a hash of the interface,
    /// exporter or reporter: seen again from another one, it is the same flow.
    Witnessed {
        /// What happened.
        flow: u64,
        /// Who reports it.
        witness: u64,
    },
}

/// One flow or request.
///
/// Amounts are whole units. `out` is what the originator (`src`, for requests the client) sent in flow logs,
/// and what the server sent to the client in request logs; `in` is the other way, 0 where the log does not say.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Start in microseconds UTC.
    pub start_us: i64,
    /// End in microseconds UTC; never before the start.
    pub end_us: i64,
    /// The originator of a flow, the client of a request.
    pub src: Endpoint<'a>,
    /// The responder.
    pub dst: Endpoint<'a>,
    /// Port of the originator.
    pub src_port: Option<u16>,
    /// Port of the responder.
    pub dst_port: Option<u16>,
    /// Bytes from the originator; for requests, bytes sent to the client.
    pub bytes_out: u64,
    /// Bytes to the originator; for requests, bytes received from the client.
    pub bytes_in: u64,
    /// Packets from the originator.
    pub packets_out: u64,
    /// Packets to the originator.
    pub packets_in: u64,
    /// How many flows the record stands for; usually 1.
    pub flows: u64,
    /// Whether the flow was refused or not answered.
    pub failed: bool,
    /// Status of a request (HTTP); 0 where there is none.
    pub status: u16,
    /// Protocol in lower case, as `tcp`; empty where unknown.
    pub proto: &'a [u8],
    /// Application protocol, as `dns`; empty where unknown.
    pub service: &'a [u8],
    /// Interface or exporter that saw the record; empty where unknown.
    pub interface: &'a [u8],
    /// Virtual host of a request; empty where unknown.
    pub vhost: &'a [u8],
    /// Hash of a request's path without its query; 0 where unknown. The path itself never leaves the reader.
    pub path: u64,
    /// What tells a flow that is reported twice.
    pub identity: Identity,
}

impl Default for Record<'_> {
    /// A flow of nothing between unknown ends, at the epoch.
    fn default() -> Self {
        Self {
            start_us: 0,
            end_us: 0,
            src: Endpoint::Unknown,
            dst: Endpoint::Unknown,
            src_port: None,
            dst_port: None,
            bytes_out: 0,
            bytes_in: 0,
            packets_out: 0,
            packets_in: 0,
            flows: 1,
            failed: false,
            status: 0,
            proto: b"",
            service: b"",
            interface: b"",
            vhost: b"",
            path: 0,
            identity: Identity::None,
        }
    }
}

/// What the records of a log are about: decides default keys and measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Network flows.
    Flows,
    /// Requests to a web server, proxy or store.
    Requests,
}

/// Takes what a block holds.
pub trait RecordSink {
    /// A record.
    fn record(&mut self, record: &Record<'_>);
    /// A line that cannot be used: its offset in the block, and why, as `the duration "x" is not a number`.
    fn dropped(&mut self, offset: usize, reason: &dyn Fn() -> String);
    /// A line of another kind, which belongs to the log but is no record: `stats` in eve.json.
    fn other(&mut self);
    /// A record that was mended: an end before its start, a duration of 2^32 ms. Counted beside it.
    fn mended(&mut self);
    /// A span of time in which the exporter says it lost records (VPC SKIPDATA), in microseconds UTC. Called beside
    /// [`other`](Self::other) for the same line.
    fn unknown(&mut self, start_us: i64, end_us: i64);
}

/// What the user said about reading, as far as record formats need it.
#[derive(Debug, Clone, Copy)]
pub struct RecordOptions {
    /// Zone of times that name none.
    pub zone: Zone,
    /// Year of times that have none: from `--year`, which is the year in which the log begins, else the year of the
    /// file's last change.
    pub year: i32,
    /// Month (1 to 12) of the file's last change, where `year` is taken from there: a log whose first line is of a later month
    /// began in the year before.
    pub last_month: Option<u32>,
}

/// A format of record logs.
pub trait RecordFormat: Sync {
    /// Its name for `--format`: `zeek`.
    fn name(&self) -> &'static str;

    /// Whether the format needs the head that another program put in front of each line: iptables has no time but
    /// syslog's. Such a format sees the lines as they are; all others see them without that head.
    fn reads_envelopes(&self) -> bool {
        false
    }

    /// Looks at the head of an input: its first bytes (64 KiB or the whole input), unpacked, without a
    /// byte-order mark. Its last line may be cut. `Ok(None)` where it is something else.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::support::error::ErrorKind::Unsupported) where it is a relative of this format that cannot be scanned
    /// (Zeek's `open_conn`, an nfdump statistic), and [`ErrorKind::Format`](crate::support::error::ErrorKind::Format) where it is damaged (Zeek
    /// without its head). The text says what the input is and what to do.
    fn recognise(&self, head: &[u8], options: &RecordOptions) -> Result<Option<Arc<dyn Layout>>>;
}

/// A recognised layout: which field lies where, from here on in the input.
pub trait Layout: Send + Sync {
    /// In words: `Zeek conn, TSV`.
    fn describe(&self) -> String;

    /// What the user should be told about this input: that its times are relative to the start of a capture.
    fn notice(&self) -> Option<String> {
        None
    }

    /// What the records are about.
    fn family(&self) -> Family;

    /// The exporter's own window in microseconds: a shorter bucket makes no sense. 0 where there is none.
    fn window_us(&self) -> i64 {
        0
    }

    /// How many bytes at the front of `block` are whole records; the rest is read with the next block.
    /// `None` where no record ends in it.
    fn cut(&self, block: &[u8]) -> Option<usize> {
        memchr::memrchr(b'\n', block).map(|end| end + 1)
    }

    /// Reads a block of whole records; the last line of an input may lack its line end. Blocks are read in
    /// parallel, each with the layout that holds at its start.
    fn read(&self, block: &[u8], sink: &mut dyn RecordSink);

    /// The layout after `block`, where a head inside it changes the layout (`#fields`). Called for every block
    /// in order, before it is read, by the thread that reads the input: it must cost next to nothing.
    fn after(&self, block: &[u8]) -> Option<Arc<dyn Layout>> {
        let _ = block;
        None
    }
}
