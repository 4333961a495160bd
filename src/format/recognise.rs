//! Finds out which format of record logs an input has.

use std::sync::Arc;

use super::RECORD_FORMATS;
use super::envelope::{Envelope, Wrapped};
use super::record::{Layout, RecordFormat, RecordOptions};
use crate::input::binary;
use crate::support::error::{Error, ErrorKind, Result, quoted};

/// A record log, recognised from its head.
#[derive(Clone)]
pub struct RecordLog {
    /// The format's name, as `--format` takes it: inputs with different names are never one log.
    pub format: &'static str,
    /// How to read it.
    pub layout: Arc<dyn Layout>,
}

/// The format of record logs that an input has, from its head: its first bytes (64 KiB or the whole input), unpacked, without
/// a byte-order mark. `Ok(None)` where it is no record log, as a series in CSV.
///
/// What another program put around each line (syslog, container runtimes, log shippers) is taken off first, but for formats
/// that need it. With `format` only the format of that name is tried.
///
/// # Errors
/// [`ErrorKind::Unsupported`] where the input is known and cannot be scanned (binary captures, Zeek's other logs),
/// [`ErrorKind::Format`] where it is damaged or is not of the format that was named, [`ErrorKind::Setting`] where no
/// format has that name.
pub fn recognise_records(
    head: &[u8],
    format: Option<&str>,
    options: &RecordOptions,
) -> Result<Option<RecordLog>> {
    binary::refuse(head)?;
    let formats: Vec<&dyn RecordFormat> = match format {
        Some(name) => vec![named(name)?],
        None => RECORD_FORMATS.to_vec(),
    };
    let found = recognise_among(&formats, head, options)?;
    match (found, format) {
        (None, Some(name)) => {
            let text = format!("the input does not look like {name}, which --format names");
            Err(Error::new(ErrorKind::Format, text))
        }
        (found, _) => Ok(found),
    }
}

fn named(name: &str) -> Result<&'static dyn RecordFormat> {
    let found = RECORD_FORMATS.iter().find(|format| format.name() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = RECORD_FORMATS.iter().map(|format| format.name()).collect();
        let text = format!(
            "--format {} is unknown: give one of {}",
            quoted(name.as_bytes()),
            names.join(", ")
        );
        Error::new(ErrorKind::Setting, text)
    })
}

fn recognise_among(
    formats: &[&dyn RecordFormat],
    head: &[u8],
    options: &RecordOptions,
) -> Result<Option<RecordLog>> {
    let Some(envelope) = Envelope::recognise(head) else {
        return first_of(formats.iter().copied(), head, options);
    };
    let own = formats
        .iter()
        .copied()
        .filter(|format| format.reads_envelopes());
    if let Some(found) = first_of(own, head, options)? {
        return Ok(Some(found));
    }
    let inner_head = envelope.peel_all(head).text;
    // A shipper may have wrapped what a container runtime had wrapped before.
    let inner = match Envelope::recognise(&inner_head) {
        Some(second) if second != envelope => {
            let inmost = second.peel_all(&inner_head).text;
            first_of(formats.iter().copied(), &inmost, options)?.map(|found| wrapped(second, found))
        }
        _ => None,
    };
    let inner = match inner {
        Some(found) => Some(found),
        None => first_of(formats.iter().copied(), &inner_head, options)?,
    };
    match inner {
        Some(found) => Ok(Some(wrapped(envelope, found))),
        None => first_of(formats.iter().copied(), head, options),
    }
}

fn wrapped(envelope: Envelope, found: RecordLog) -> RecordLog {
    RecordLog {
        layout: Arc::new(Wrapped {
            envelope,
            inner: found.layout,
        }),
        ..found
    }
}

fn first_of<'a>(
    formats: impl Iterator<Item = &'a dyn RecordFormat>,
    head: &[u8],
    options: &RecordOptions,
) -> Result<Option<RecordLog>> {
    for format in formats {
        if let Some(layout) = format.recognise(head, options)? {
            return Ok(Some(RecordLog {
                format: format.name(),
                layout,
            }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::collected::{Collected, OPTIONS};
    use super::*;

    const ZEEK: &str = r#"{"ts":1777896000.5,"uid":"C1","id.orig_h":"192.0.2.1","id.resp_h":"192.0.2.7","conn_state":"S0"}"#;

    fn recognised(head: &str) -> RecordLog {
        recognise_records(head.as_bytes(), None, &OPTIONS)
            .unwrap()
            .unwrap()
    }

    #[test]
    fn a_log_is_recognised_by_content_alone() {
        let found = recognised(ZEEK);
        assert_eq!(
            (found.format, &*found.layout.describe()),
            ("zeek", "Zeek conn, JSON")
        );
        let series = recognise_records(b"timestamp,value\n2026-05-04,1\n", None, &OPTIONS).unwrap();
        assert!(series.is_none());
    }

    #[test]
    fn one_and_two_envelopes_are_taken_off() {
        let docker = format!(
            "{{\"log\":\"{}\\n\",\"stream\":\"stdout\"}}",
            ZEEK.replace('"', "\\\"")
        );
        let shipped = format!("May  4 12:00:00 host docker: {docker}");
        for text in [docker, shipped] {
            let found = recognised(&text);
            assert_eq!(found.format, "zeek");
            let mut sink = Collected::default();
            found.layout.read(text.as_bytes(), &mut sink);
            assert_eq!(
                (sink.records.len(), sink.dropped.len()),
                (1, 0),
                "{}",
                found.layout.describe()
            );
        }
    }

    #[test]
    fn a_format_that_is_named_must_fit() {
        let named = |name| recognise_records(ZEEK.as_bytes(), Some(name), &OPTIONS);
        assert!(named("zeek").unwrap().is_some());
        assert_eq!(named("nonsense").err().unwrap().kind(), ErrorKind::Setting);
        let other = recognise_records(b"a,b\n1,2\n", Some("zeek"), &OPTIONS);
        assert_eq!(other.err().unwrap().kind(), ErrorKind::Format);
    }

    #[test]
    fn binary_captures_are_refused_before_anything_else() {
        let refused = recognise_records(b"\x0c\xa5\x01\0", None, &OPTIONS);
        assert_eq!(refused.err().unwrap().kind(), ErrorKind::Unsupported);
    }
}
