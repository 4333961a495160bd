//! HTTP requests from Cloudflare Logpush, one JSON object a line.
//!
//! Only `EdgeStartTimestamp` and `ClientIP` are required: which fields are pushed is for the customer to choose. Times are
//! RFC 3339, or seconds, milliseconds or nanoseconds since 1970, as numbers or as text.
//! Source: Cloudflare, "Logpush datasets: HTTP requests".

use std::borrow::Cow;
use std::sync::Arc;

use super::fields::{self, Fault};
use super::json;
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{TimeForm, TimeParser, Zone};
use super::words;
use crate::support::error::Result;

/// HTTP requests from Cloudflare Logpush.
pub(super) struct Cloudflare;

impl RecordFormat for Cloudflare {
    fn name(&self) -> &'static str {
        "cloudflare"
    }

    fn recognise(&self, head: &[u8], _: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let mut iso = TimeForm::iso(Zone::UTC).parser();
        let fits = |line| request(line, &mut iso).is_ok();
        let is_push = fields::most_fit(fields::head_lines(head), fits);
        Ok(is_push.then(|| Arc::new(Requests) as Arc<dyn Layout>))
    }
}

#[derive(Debug)]
struct Requests;

/// Microseconds of a time in RFC 3339, or of a number whose unit shows in its size.
pub(super) fn time_us(text: &[u8], iso: &mut TimeParser) -> Option<i64> {
    match text.get(4) {
        Some(b'-') => iso.parse(text),
        _ => fields::epoch_us(text),
    }
}

/// What an object says, its texts apart from the record since they may have been built anew.
#[derive(Default)]
struct Request<'a> {
    record: Record<'a>,
    client: Cow<'a, [u8]>,
    vhost: Cow<'a, [u8]>,
    end_us: Option<i64>,
}

fn request<'a>(line: &'a [u8], iso: &mut TimeParser) -> Result<Request<'a>, Fault<'a>> {
    let mut request = Request::default();
    let (mut start_us, mut fault) = (None, None);
    let walked = json::walk(line, |key, value| {
        let record = &mut request.record;
        let mut take = || {
            let text = value.text();
            if text.is_empty() {
                return Ok(());
            }
            let number = |name| {
                value
                    .number()
                    .ok_or(Fault::Wrong(name, value.text(), "a whole number"))
            };
            match key {
                "EdgeStartTimestamp" => {
                    let parsed = time_us(&text, iso);
                    start_us =
                        Some(parsed.ok_or(Fault::Wrong("EdgeStartTimestamp", text, "a time"))?);
                }
                "EdgeEndTimestamp" => request.end_us = time_us(&text, iso),
                "ClientIP" => request.client = text,
                "ClientRequestHost" => request.vhost = text,
                "ClientRequestURI" => record.path = fields::path_hash(&text),
                "ClientRequestPath" if record.path == 0 => record.path = fields::path_hash(&text),
                "EdgeResponseBytes" => record.bytes_out = number("EdgeResponseBytes")?,
                "ClientRequestBytes" => record.bytes_in = number("ClientRequestBytes")?,
                "EdgeResponseStatus" => {
                    record.status = words::status(&text).ok_or(Fault::Wrong(
                        "EdgeResponseStatus",
                        text,
                        "a whole number",
                    ))?;
                }
                _ => {}
            }
            Ok(())
        };
        fault = fault.take().or(take().err());
        true
    });
    walked.map_err(Fault::Other)?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    request.record.start_us = start_us.ok_or(Fault::Missing("EdgeStartTimestamp"))?;
    if request.client.is_empty() {
        return Err(Fault::Missing("ClientIP"));
    }
    Ok(request)
}

impl Layout for Requests {
    fn describe(&self) -> String {
        "Cloudflare Logpush HTTP requests".to_owned()
    }

    fn family(&self) -> Family {
        Family::Requests
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut iso = TimeForm::iso(Zone::UTC).parser();
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match request(line, &mut iso) {
                Ok(Request {
                    mut record,
                    client,
                    vhost,
                    end_us,
                }) => {
                    let start_us = record.start_us;
                    let lasted_us = end_us.unwrap_or(start_us).saturating_sub(start_us);
                    record.end_us = fields::end_us(start_us, lasted_us, sink);
                    record.src = fields::endpoint(&client);
                    record.vhost = &vhost;
                    sink.record(&Record { ..record });
                }
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected;
    use super::*;

    const SAMPLE: &[u8] = br#"{"ClientIP":"192.0.2.1","ClientRequestHost":"www.example.org","ClientRequestURI":"/a?b=c","ClientRequestBytes":300,"EdgeEndTimestamp":1772359200500000000,"EdgeResponseBytes":12480,"EdgeResponseStatus":200,"EdgeStartTimestamp":1772359200100000000}
{"EdgeStartTimestamp":"2026-03-01T10:00:02Z","ClientIP":"2001:db8::1","EdgeResponseStatus":503,"EdgeResponseBytes":"170"}
{"EdgeStartTimestamp":1772359203,"ClientIP":"192.0.2.1"}
{"EdgeStartTimestamp":"1772359204500","ClientIP":"192.0.2.1","EdgeEndTimestamp":"2026-03-01T10:00:01Z"}
"#;

    #[test]
    fn times_are_read_as_nanoseconds_seconds_milliseconds_and_text() {
        let found = collected::read(&Cloudflare, SAMPLE);
        let starts: Vec<i64> = found
            .records
            .iter()
            .map(|record| record.start_us - 1_772_359_200_000_000)
            .collect();
        assert_eq!(starts, [100_000, 2_000_000, 3_000_000, 4_500_000]);
        assert_eq!(found.records[0].end_us - found.records[0].start_us, 400_000);
        assert_eq!(found.mended, 1);
    }

    #[test]
    fn a_request_has_bytes_both_ways_a_status_and_a_host() {
        let found = collected::read(&Cloudflare, SAMPLE);
        let first = &found.records[0];
        assert_eq!(
            (first.bytes_out, first.bytes_in, first.status),
            (12480, 300, 200)
        );
        assert_eq!(
            (first.src.as_str(), first.vhost.as_str()),
            ("192.0.2.1", "www.example.org")
        );
        assert_eq!(first.path, fields::path_hash(b"/a"));
        assert_eq!(
            (found.records[1].bytes_out, found.records[1].status),
            (170, 503)
        );
    }

    #[test]
    fn an_object_without_a_time_or_with_a_wrong_number_is_dropped() {
        let text = [
            SAMPLE,
            br#"{"ClientIP":"192.0.2.1"}
{"EdgeStartTimestamp":1772359203,"ClientIP":"192.0.2.1","EdgeResponseBytes":-1}
{"EdgeStartTimestamp":17723"#,
        ]
        .concat();
        let mut found = collected::Collected::default();
        collected::layout(&Cloudflare, SAMPLE)
            .unwrap()
            .read(&text, &mut found);
        let reasons: Vec<&str> = found
            .dropped
            .iter()
            .map(|(_, reason)| reason.as_str())
            .collect();
        assert_eq!(
            reasons,
            [
                "it has no EdgeStartTimestamp",
                "the EdgeResponseBytes \"-1\" is not a whole number",
                "the line is cut or not valid JSON"
            ]
        );
    }

    #[test]
    fn any_bytes_are_accounted_for() {
        collected::holds_for_any_bytes(&Cloudflare, SAMPLE);
        assert!(
            collected::layout(
                &Cloudflare,
                b"{\"Datetime\":1,\"ClientIP\":\"192.0.2.1\"}\n"
            )
            .is_none()
        );
    }
}
