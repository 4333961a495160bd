//! Extended log files of W3C with their `#Fields` line: IIS and CloudFront.
//!
//! Times are UTC and are those of the end of a request; `time-taken` is in milliseconds (IIS) or seconds with a fraction (CloudFront, Tomcat).
//! The columns of each `#Fields` line hold up to the next one. Query strings and users never leave the reader.
//! Source: W3C working draft "Extended Log File Format"; Microsoft, "W3C Logging"; Amazon CloudFront Developer Guide, "Standard logs".

use std::borrow::Cow;
use std::sync::Arc;

use super::fields::{self, Fault};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{TimeForm, TimeParser, Zone};
use crate::support::error::{Error, ErrorKind, Result};

/// Extended log files of W3C.
pub(super) struct W3c;

impl RecordFormat for W3c {
    fn name(&self) -> &'static str {
        "w3c"
    }

    fn recognise(&self, head: &[u8], _: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        let mut layout = Extended::default();
        for line in lines.iter().take_while(|line| line.starts_with(b"#")) {
            layout.read_head(line);
        }
        if !lines.iter().any(|line| line.starts_with(b"#Fields:")) {
            if !fields::most_fit(lines.iter().copied(), is_cloudfront_row) {
                return Ok(None);
            }
            layout.read_head(CLOUDFRONT);
        }
        let has = |column| layout.columns.contains(&column);
        let has_date = has(Column::Date) || !layout.date.is_empty();
        let has_subject = has(Column::Client) || has(Column::Status);
        if !has(Column::Time) || !has_date || !has_subject {
            let text = "a W3C log without date, time and c-ip in its #Fields line: add these fields to the log";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        Ok(Some(Arc::new(layout)))
    }
}

/// The first columns of CloudFront's standard log, for rows whose head was lost on their way.
const CLOUDFRONT: &[u8] = b"#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken";

/// Whether a line is a row of CloudFront's standard log: date, time, an airport's code and a number, and 24 fields or more.
fn is_cloudfront_row(line: &[u8]) -> bool {
    let cells: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
    let [date, time, edge, bytes, client, ..] = cells[..] else {
        return false;
    };
    cells.len() >= 24
        && date.len() == 10
        && time.len() == 8
        && matches!(
            edge,
            [b'A'..=b'Z', b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9', ..]
        )
        && fields::number(bytes).is_some()
        && fields::is_address(client)
}

/// A field of a request. The others are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Skipped,
    Date,
    Time,
    Client,
    Path,
    Host,
    Status,
    BytesSent,
    BytesReceived,
    Taken,
}

impl Column {
    fn named(name: &[u8]) -> Self {
        match &*name.to_ascii_lowercase() {
            b"date" => Self::Date,
            b"time" => Self::Time,
            b"c-ip" => Self::Client,
            b"cs-uri-stem" => Self::Path,
            b"x-host-header" | b"cs-host" => Self::Host,
            b"sc-status" => Self::Status,
            b"sc-bytes" => Self::BytesSent,
            b"cs-bytes" => Self::BytesReceived,
            b"time-taken" => Self::Taken,
            _ => Self::Skipped,
        }
    }
}

/// The layout: the columns of the last `#Fields` line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Extended {
    /// Up to the last column that is needed.
    columns: Vec<Column>,
    /// The day of the last `#Date` line, for logs without a column for it.
    date: Vec<u8>,
    is_cloudfront: bool,
}

impl Extended {
    fn read_head(&mut self, line: &[u8]) {
        if let Some(names) = line.strip_prefix(b"#Fields:") {
            let names = names
                .split(|byte| matches!(byte, b' ' | b'\t'))
                .filter(|name| !name.is_empty());
            self.is_cloudfront = false;
            self.columns.clear();
            for name in names {
                self.is_cloudfront |= name.starts_with(b"x-edge-");
                self.columns.push(Column::named(name));
            }
            let last = self
                .columns
                .iter()
                .rposition(|column| *column != Column::Skipped);
            self.columns.truncate(last.map_or(0, |last| last + 1));
        } else if let Some(date) = line.strip_prefix(b"#Date:") {
            self.date = date.trim_ascii().get(..10).unwrap_or_default().to_vec();
        }
    }

    #[inline]
    fn request<'a>(
        &self,
        line: &'a [u8],
        times: &mut TimeParser,
    ) -> Result<(Record<'a>, i64), Fault<'a>> {
        // CloudFront separates rows by tabs and names by blanks.
        let separator = if memchr::memchr(b'\t', line).is_some() {
            b'\t'
        } else {
            b' '
        };
        let mut record = Record::default();
        let (mut date, mut time): (&[u8], &[u8]) = (&self.date, b"");
        let mut taken_us = 0;
        let mut start = 0;
        for (place, &column) in self.columns.iter().enumerate() {
            if start > line.len() {
                return Err(Fault::Short(place, self.columns.len()));
            }
            let end = fields::find(line, start, separator).unwrap_or(line.len());
            let cell = &line[start..end];
            start = end + 1;
            if column == Column::Skipped || cell == b"-" || cell.is_empty() {
                continue;
            }
            let number = |name| {
                fields::number(cell).ok_or(Fault::Wrong(name, cell.into(), "a whole number"))
            };
            match column {
                Column::Skipped => {}
                Column::Date => date = cell,
                Column::Time => time = cell,
                Column::Client => record.src = fields::endpoint(cell),
                Column::Path => record.path = fields::path_hash(cell),
                Column::Host => record.vhost = cell,
                Column::Status => {
                    let code = fields::port(cell).filter(|code| *code < 1000);
                    record.status =
                        code.ok_or(Fault::Wrong("sc-status", cell.into(), "a status"))?;
                }
                Column::BytesSent => record.bytes_out = number("sc-bytes")?,
                Column::BytesReceived => record.bytes_in = number("cs-bytes")?,
                Column::Taken => {
                    let us = fields::seconds_us(cell).ok_or(Fault::Wrong(
                        "time-taken",
                        cell.into(),
                        "a duration",
                    ))?;
                    let is_seconds = self.is_cloudfront || cell.contains(&b'.');
                    taken_us = if is_seconds { us } else { us / 1_000 };
                }
            }
        }
        let mut text = [0_u8; 40];
        let length = date.len() + 1 + time.len();
        let Some(both) = text.get_mut(..length) else {
            return Err(Fault::Wrong("time", time.into(), "a time"));
        };
        both[..date.len()].copy_from_slice(date);
        both[date.len()] = b' ';
        both[date.len() + 1..].copy_from_slice(time);
        let end_us = times.parse_fast(both);
        record.end_us = end_us
            .ok_or_else(|| Fault::Wrong("time", Cow::Owned(both.to_vec()), "a date and a time"))?;
        Ok((record, taken_us))
    }
}

impl Layout for Extended {
    fn describe(&self) -> String {
        if self.is_cloudfront {
            "W3C log of CloudFront"
        } else {
            "W3C log"
        }
        .to_owned()
    }

    fn family(&self) -> Family {
        Family::Requests
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut layout = Cow::Borrowed(self);
        let mut times = TimeForm::iso(Zone::UTC).parser();
        for (offset, line) in fields::lines(block) {
            if line.starts_with(b"#") {
                layout.to_mut().read_head(line);
                continue;
            }
            if line.is_empty() || line.trim_ascii().is_empty() {
                continue;
            }
            match layout.request(line, &mut times) {
                Ok((mut record, taken_us)) => {
                    if taken_us < 0 {
                        sink.mended();
                    }
                    record.start_us = record.end_us.saturating_sub(taken_us.max(0));
                    sink.record(&record);
                }
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }

    fn after(&self, block: &[u8]) -> Option<Arc<dyn Layout>> {
        let mut layout = Cow::Borrowed(self);
        for mark in memchr::memchr_iter(b'#', block) {
            if mark > 0 && block.get(mark - 1) != Some(&b'\n') {
                continue;
            }
            if let Some((_, line)) = fields::lines(&block[mark..]).next() {
                layout.to_mut().read_head(line);
            }
        }
        match layout {
            Cow::Owned(changed) if changed != *self => Some(Arc::new(changed)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected::{OPTIONS, holds_for_any_bytes, layout, read, refusal};
    use super::*;

    const IIS_HEAD: &str = "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-05-04 12:00:00\n\
        #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken\n";
    const IIS_ROWS: &str = "2026-05-04 12:00:01 192.0.2.80 GET /a q=1 443 me 192.0.2.1 curl/8 404 0 2 5120 90 250\n\
        2026-05-04 12:00:02 192.0.2.80 GET /b - 443 - 2001:db8::1 - 200 0 0 - - 0\n";
    const CLOUDFRONT: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status x-host-header cs-bytes time-taken\n\
        2026-05-04\t12:00:01\tCDG50-P2\t703\t192.0.2.1\tGET\td1.example.net\t/a b\t000\twww.example.org\t62\t0.250\n";

    #[test]
    fn a_request_of_iis_ends_at_its_time_and_took_milliseconds() {
        let found = read(&W3c, (IIS_HEAD.to_owned() + IIS_ROWS).as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (2, 0));
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_777_896_000_750_000, 1_777_896_001_000_000)
        );
        assert_eq!(
            (&*first.src, first.status, first.bytes_out, first.bytes_in),
            ("192.0.2.1", 404, 5120, 90)
        );
        assert_eq!(first.path, fields::path_hash(b"/a"));
        assert_eq!(
            (&*found.records[1].src, found.records[1].bytes_out),
            ("2001:db8::1", 0)
        );
    }

    #[test]
    fn rows_of_cloudfront_are_separated_by_tabs_and_took_seconds() {
        let found = read(&W3c, CLOUDFRONT.as_bytes());
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_777_896_000_750_000, 1_777_896_001_000_000)
        );
        assert_eq!(
            (&*first.src, &*first.vhost, first.status),
            ("192.0.2.1", "www.example.org", 0)
        );
        assert_eq!((first.bytes_out, first.bytes_in), (703, 62));
        assert_eq!(
            layout(&W3c, CLOUDFRONT.as_bytes()).unwrap().describe(),
            "W3C log of CloudFront"
        );
    }

    #[test]
    fn rows_of_cloudfront_are_known_without_their_head() {
        let row = "2026-05-04\t12:00:01\tCDG50-P2\t703\t192.0.2.1\tGET\td1.example.net\t/a\t400\t-\tcurl\tq=1\t-\tError\tid\twww.example.org\thttps\t62\t0.250\t-\tTLSv1.3\tAES\tError\tHTTP/2.0\t-\n";
        let found = read(&W3c, row.as_bytes());
        let first = &found.records[0];
        assert_eq!(
            (&*first.src, &*first.vhost, first.status, first.bytes_in),
            ("192.0.2.1", "www.example.org", 400, 62)
        );
        assert_eq!(first.start_us, 1_777_896_000_750_000);
    }

    #[test]
    fn another_fields_line_changes_the_columns() {
        let text = IIS_HEAD.to_owned()
            + IIS_ROWS
            + "#Fields: time c-ip date sc-status\n12:00:03 192.0.2.3 2026-05-04 500\n";
        let found = read(&W3c, text.as_bytes());
        assert_eq!((found.records.len(), found.records[2].status), (3, 500));
        let first = layout(&W3c, IIS_HEAD.as_bytes()).unwrap();
        assert!(first.after(IIS_ROWS.as_bytes()).is_none());
        assert!(first.after(text.as_bytes()).is_some());
    }

    #[test]
    fn without_a_column_the_date_is_that_of_the_head() {
        let text =
            "#Date: 2026-05-04 00:00:00\n#Fields: time c-ip sc-status\n12:00:01 192.0.2.1 200\n";
        assert_eq!(
            read(&W3c, text.as_bytes()).records[0].end_us,
            1_777_896_001_000_000
        );
    }

    #[test]
    fn spoiled_rows_are_dropped_and_logs_without_a_client_refused() {
        let text = IIS_HEAD.to_owned()
            + IIS_ROWS
            + "2026-05-04 12:00:03 192.0.2.80 GET\n2026-15-04 12:00:03 192.0.2.80 GET /a q=1 443 me 192.0.2.1 curl/8 404 0 2 5120 90 250\n";
        let found = read(&W3c, text.as_bytes());
        let reasons: Vec<&str> = found.dropped.iter().map(|(_, reason)| &**reason).collect();
        assert_eq!(
            reasons,
            [
                "it has 4 fields and 16 are needed",
                "the time \"2026-15-04 12:00:03\" is not a date and a time"
            ]
        );
        let text = refusal(&W3c, b"#Fields: date-time client-ip event\n");
        assert_eq!(text.kind(), ErrorKind::Unsupported);
        for text in ["", "#separator \\x09\n#fields\tts\n", "# comment\na,b\n"] {
            assert!(
                W3c.recognise(text.as_bytes(), &OPTIONS).unwrap().is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        holds_for_any_bytes(
            &W3c,
            (IIS_HEAD.to_owned() + IIS_ROWS + IIS_HEAD + IIS_ROWS).as_bytes(),
        );
        holds_for_any_bytes(&W3c, CLOUDFRONT.as_bytes());
    }
}
