//! Squid's native access log.
//!
//! `time elapsed client code/status bytes method URL user hierarchy/peer type`, padded with blanks. The time is that of the end, so a
//! request starts earlier by what elapsed; tunnels (CONNECT) are logged when they close. Source: Squid, "Features/LogFormat".

use std::sync::Arc;

use super::fields::{self, Fault};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{EpochUnit, TimeForm, TimeParser};
use super::words::{self, Words};
use crate::support::error::Result;

/// The native access log of Squid.
pub(super) struct Squid;

impl RecordFormat for Squid {
    fn name(&self) -> &'static str {
        "squid"
    }

    fn recognise(&self, head: &[u8], _: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let mut time = TimeForm::epoch(EpochUnit::Seconds).parser();
        let fits = |line| request(line, &mut time).is_ok();
        let is_squid = fields::most_fit(fields::head_lines(head), fits);
        Ok(is_squid.then(|| Arc::new(Native) as Arc<dyn Layout>))
    }
}

#[derive(Debug)]
struct Native;

/// The request in a line, without its start, and how many microseconds it took.
fn request<'a>(line: &'a [u8], time: &mut TimeParser) -> Result<(Record<'a>, i64), Fault<'a>> {
    let mut words = Words::new(line);
    let text = words.word();
    let mut record = Record::default();
    let is_time = text.len() >= 12 && memchr::memchr(b'.', text).is_some();
    let end_us = if is_time { time.parse(text) } else { None };
    record.end_us = end_us.ok_or(Fault::Wrong(
        "time",
        text.into(),
        "a number of seconds since 1970",
    ))?;
    let text = words.word();
    let fault = Fault::Wrong("elapsed time", text.into(), "a number of milliseconds");
    let elapsed_us = match text {
        [b'-', digits @ ..] if fields::number(digits).is_some() => -1,
        _ => fields::number(text)
            .and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000))
            .ok_or(fault)?,
    };
    record.src = fields::endpoint(words.word());
    let result = words.word();
    let fault = Fault::Wrong(
        "result",
        result.into(),
        "a code and a status, as TCP_MISS/200",
    );
    let slash = memchr::memrchr(b'/', result);
    let status = slash.and_then(|slash| words::status(&result[slash + 1..]));
    record.status = status.ok_or(fault)?;
    let text = words.word();
    record.bytes_out = fields::number(text).ok_or(Fault::Wrong(
        "number of bytes",
        text.into(),
        "a whole number",
    ))?;
    let _method = words.word();
    record.path = fields::path_hash(words.word());
    Ok((record, elapsed_us))
}

impl Layout for Native {
    fn describe(&self) -> String {
        "Squid access log".to_owned()
    }

    fn family(&self) -> Family {
        Family::Requests
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut time = TimeForm::epoch(EpochUnit::Seconds).parser();
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match request(line, &mut time) {
                Ok((mut record, elapsed_us)) => {
                    // Clocks that were set back make the elapsed time negative.
                    if elapsed_us < 0 {
                        sink.mended();
                    }
                    record.start_us = record.end_us.saturating_sub(elapsed_us.max(0));
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

    const SAMPLE: &[u8] = b"1772359201.500   1500 192.0.2.1 TCP_MISS/200 4000 GET http://example.org/a?b=c user DIRECT/198.51.100.1 text/html
1772359202.500      0 2001:db8::1 NONE/000 0 - error:invalid - HIER_NONE/- -
1772359299.000  97000 192.0.2.2 TCP_TUNNEL/200 70000 CONNECT example.org:443 - HIER_DIRECT/198.51.100.1 -
1772359203.000     -2 192.0.2.1 TCP_DENIED/403 300 GET http://example.org/a - HIER_NONE/- text/html
";

    #[test]
    fn a_request_ends_at_the_time_of_its_line() {
        let found = collected::read(&Squid, SAMPLE);
        let [first, second, third, fourth] = &found.records[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (first.start_us, first.end_us),
            (1_772_359_200_000_000, 1_772_359_201_500_000)
        );
        assert_eq!((first.bytes_out, first.status), (4000, 200));
        assert_eq!((second.src.as_str(), second.status), ("2001:db8::1", 0));
        assert_eq!(third.end_us - third.start_us, 97_000_000);
        assert_eq!(
            (fourth.start_us, fourth.end_us, found.mended),
            (1_772_359_203_000_000, 1_772_359_203_000_000, 1)
        );
        assert_eq!(first.path, fourth.path);
    }

    #[test]
    fn noise_between_the_lines_is_dropped() {
        let text = [SAMPLE, b"Unmatched! what is this\n"].concat();
        let found = collected::read(&Squid, &text);
        assert_eq!((found.records.len(), found.dropped.len()), (4, 1));
        assert!(collected::layout(&Squid, b"1772359201.500 5\n").is_none());
    }

    #[test]
    fn any_bytes_are_accounted_for() {
        collected::holds_for_any_bytes(&Squid, SAMPLE);
    }
}
