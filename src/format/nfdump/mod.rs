//! nfdump's exports: CSV of all versions, JSON and ndjson.
//!
//! Times carry no zone: they are the local time of the host that ran nfdump, and are read in the zone of the options. Only `csv-fast` and
//! the raw columns of `-o csv:...` have seconds or milliseconds since 1970. A flow is failed where its TCP flags have a SYN and
//! no ACK: nobody answered. A flow that two interfaces or exporters saw is known by its addresses, times and amounts.
//! Source: nfdump, `src/output/output_csv.c`, `output_csv_fast.c` and `output_json.c`, versions 1.6 to 1.7.5.

mod csv;
mod json_records;

use std::sync::Arc;

use super::fields;
use super::record::{Endpoint, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{TimeForm, TimeParser, Zone};
use crate::support::error::Result;

/// nfdump's exports.
pub(super) struct Nfdump;

impl RecordFormat for Nfdump {
    fn name(&self) -> &'static str {
        "nfdump"
    }

    fn recognise(&self, head: &[u8], options: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        match lines
            .first()
            .and_then(|line| line.trim_ascii_start().first())
        {
            Some(b'{' | b'[') => Ok(json_records::recognise(head, options.zone)),
            Some(_) => csv::recognise(&lines, options.zone),
            None => Ok(None),
        }
    }
}

/// Reads the times of an export: local dates, or numbers since 1970.
struct Times {
    local: TimeParser,
}

impl Times {
    fn new(zone: Zone) -> Self {
        Self {
            local: TimeForm::iso(zone).parser(),
        }
    }

    #[inline]
    fn parse(&mut self, text: &[u8]) -> Option<i64> {
        if text.get(4) == Some(&b'-') {
            self.local.parse_fast(text)
        } else {
            fields::epoch_us(text)
        }
    }
}

/// A flow, and what is needed to finish its record.
#[derive(Default)]
struct Flow<'a> {
    record: Record<'a>,
    start_us: Option<i64>,
    end_us: Option<i64>,
    duration_us: Option<i64>,
    has_syn_only: bool,
}

impl Flow<'_> {
    /// Hands the record on; the time of its start must be known. `witness` is who saw it.
    fn finish(mut self, start_us: i64, witness: &[u8], sink: &mut dyn RecordSink) {
        let record = &mut self.record;
        record.start_us = start_us;
        // The duration has milliseconds where times have seconds.
        let duration_us = self
            .duration_us
            .or(self.end_us.map(|end_us| end_us.saturating_sub(start_us)));
        record.end_us = fields::end_us(start_us, duration_us.unwrap_or(0), sink);
        record.failed = record.proto == b"tcp" && self.has_syn_only;
        record.src = known(record.src, record.src_port);
        record.dst = known(record.dst, record.dst_port);
        record.identity = fields::witnessed(record, witness);
        sink.record(record);
    }
}

/// Aggregated exports write 0 in each field that was summed over, addresses among them.
fn known(endpoint: Endpoint<'_>, port: Option<u16>) -> Endpoint<'_> {
    let is_zero = match endpoint {
        Endpoint::V4(address) => address == [0; 4],
        Endpoint::V6(address) => address == [0; 16],
        _ => false,
    };
    if is_zero && matches!(port, None | Some(0)) {
        Endpoint::Unknown
    } else {
        endpoint
    }
}

/// Whether TCP flags have a SYN and no ACK: from letters, `......S.`, or from their number.
fn has_syn_only(flags: &[u8]) -> bool {
    if let Some(bits) = fields::number(flags) {
        return bits & 0x12 == 0x02;
    }
    flags.contains(&b'S') && !flags.contains(&b'A')
}
