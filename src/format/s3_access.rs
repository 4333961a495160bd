//! Server access logs of Amazon S3.
//!
//! Words are separated by blanks; there are 24 to 27, and `-` may stand for nearly any of them. A request starts at the time of the
//! line and lasts the total time, in milliseconds. Bytes sent is the first of the two sizes; the other is the size of the object.
//! Source: AWS, "Amazon S3 server access log format".

use std::sync::Arc;

use super::fields::{self, Fault};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{TimeForm, TimeParser, Zone};
use super::words::{self, Words};
use crate::support::error::Result;

/// Access logs of S3.
pub(super) struct S3Access;

impl RecordFormat for S3Access {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn recognise(&self, head: &[u8], _: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        let fits = fields::most_fit(lines.iter().copied(), is_access);
        Ok(fits.then(|| Arc::new(ServerAccess) as Arc<dyn Layout>))
    }
}

/// Whether the third word is a time in brackets and the seventh an operation.
fn is_access(line: &[u8]) -> bool {
    let mut words = Words::new(line);
    let (_owner, _bucket) = (words.word(), words.word());
    let is_time = words.rest().first() == Some(&b'[') && words.word().len() >= 20;
    let operation = words.nth(3).unwrap_or_default();
    let prefixes = ["REST.", "BATCH.", "S3.", "WEBSITE.", "SOAP."];
    is_time
        && prefixes
            .iter()
            .any(|prefix| operation.starts_with(prefix.as_bytes()))
}

#[derive(Debug)]
struct ServerAccess;

impl ServerAccess {
    fn record<'a>(line: &'a [u8], time: &mut TimeParser) -> Result<(Record<'a>, i64), Fault<'a>> {
        if !is_access(line) {
            return Err(Fault::Other(
                "it is not a line of an S3 access log".to_owned(),
            ));
        }
        let mut words = Words::new(line);
        let mut record = Record::default();
        let _owner = words.word();
        record.vhost = words.word();
        let text = words.word();
        let fault = Fault::Wrong(
            "time",
            text.into(),
            "a time such as 31/Jan/2026:12:00:00 +0000",
        );
        record.start_us = time.parse(text).ok_or(fault)?;
        record.src = fields::endpoint(words.word());
        let (_requester, _id, _operation) = (words.word(), words.word(), words.word());
        let (key, request) = (words.word(), words.word());
        record.path = match key {
            b"" | b"-" => fields::path_hash(fields::request_target(request)),
            _ => fields::path_hash(key),
        };
        let mut number = |name| {
            let text = words.word();
            let number = if text.is_empty() {
                None
            } else {
                words::number_or_zero(text)
            };
            number.ok_or(Fault::Wrong(name, text.into(), "a whole number"))
        };
        let status = number("status")?;
        record.status = if status > 999 { 0 } else { status as u16 };
        let _error = words.word();
        let mut number = |name| {
            let text = words.word();
            words::number_or_zero(text).ok_or(Fault::Wrong(name, text.into(), "a whole number"))
        };
        record.bytes_out = number("number of bytes sent")?;
        let _object_size = number("object size")?;
        let total_ms = number("total time")?;
        let total_us = i64::try_from(total_ms).unwrap_or(0).saturating_mul(1_000);
        Ok((record, total_us))
    }
}

impl Layout for ServerAccess {
    fn describe(&self) -> String {
        "S3 server access log".to_owned()
    }

    fn family(&self) -> Family {
        Family::Requests
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut time = TimeForm::access_log(Zone::UTC).parser();
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match Self::record(line, &mut time) {
                Ok((mut record, total_us)) => {
                    record.end_us = fields::end_us(record.start_us, total_us, sink);
                    sink.record(&record);
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

    const SAMPLE: &[u8] = br#"0a1b2c my-bucket [01/Mar/2026:10:00:00 +0000] 192.0.2.1 arn:aws:iam::1:user/u 44EE86 REST.GET.OBJECT a/b.txt "GET /my-bucket/a/b.txt?x=1 HTTP/1.1" 200 - 142 99999 1700 16 "-" "agent x" - id= SigV4 ECDHE AuthHeader my-bucket.s3.amazonaws.com TLSv1.2 - -
0a1b2c my-bucket [01/Mar/2026:10:00:01 +0000] - svc:delivery 44EE87 REST.PUT.OBJECT a%2Fc - - - - 773 103 13 "-" "-" - id= SigV4 ECDHE AuthHeader host TLSv1.2
0a1b2c my-bucket [01/Mar/2026:10:00:02 +0000] - AmazonS3 44EE88 S3.EXPIRE.OBJECT 0/x "-" - - - 317 - - "-" "-" q id - - - - - - -
0a1b2c my-bucket [01/Mar/2026:10:00:03 +0000] 2001:db8::1 - 44EE89 REST.GET.OBJECT a/b.txt "GET /a/b.txt HTTP/1.1" 403 AccessDenied 243 - 11 - "-" "x" -
"#;

    #[test]
    fn bytes_sent_is_the_first_of_the_two_sizes() {
        let found = collected::read(&S3Access, SAMPLE);
        let amounts: Vec<(u64, u16)> = found
            .records
            .iter()
            .map(|record| (record.bytes_out, record.status))
            .collect();
        assert_eq!(amounts, [(142, 200), (0, 0), (0, 0), (243, 403)]);
        assert!(found.dropped.is_empty(), "{found:?}");
    }

    #[test]
    fn a_request_lasts_its_total_time_and_belongs_to_its_bucket() {
        let found = collected::read(&S3Access, SAMPLE);
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_772_359_200_000_000, 1_772_359_201_700_000)
        );
        assert_eq!(
            (first.src.as_str(), first.vhost.as_str()),
            ("192.0.2.1", "my-bucket")
        );
        assert_eq!(first.path, found.records[3].path);
        assert_eq!(found.records[1].src, "");
        assert_eq!(found.records[3].src, "2001:db8::1");
    }

    #[test]
    fn lines_of_other_programs_and_cut_lines_are_dropped() {
        let text = [
            SAMPLE,
            b"noise\n0a1b2c my-bucket [01/Mar/2026:10:00:00 +0000] - r i REST.GET.OBJECT k \"-\" 2",
        ]
        .concat();
        let found = collected::read(&S3Access, &text[..text.len()]);
        assert_eq!(found.dropped.len(), 1, "{found:?}");
        assert!(
            collected::layout(
                &S3Access,
                b"192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n"
            )
            .is_none()
        );
    }

    #[test]
    fn any_bytes_are_accounted_for() {
        collected::holds_for_any_bytes(&S3Access, SAMPLE);
    }
}
