//! Which stretches of which files are known to be anomalous, read from a file of labels.
//!
//! In: JSON of one of two forms. Out: for each labelled file its events, times in microseconds since
//! 1970 UTC. The forms are told apart by their content:
//!
//! - isoscan's own, as [`generate`](crate::generate) writes it beside each file:
//!   `{"file": "a.csv", "events": [{"start": …, "end": …, "kind": "spike"}]}`, also many of them as
//!   `[…]` or `{"files": […]}`;
//! - the windows of the Numenta Anomaly Benchmark, `combined_windows.json`:
//!   `{"category/a.csv": [[start, end], …]}`.
//!
//! Times are ISO 8601; one that names no zone is in UTC.

use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use crate::format::timestamp::{TimeForm, TimeParser, Zone};
use crate::support::error::{Error, ErrorKind, Result, quoted};

/// The events of one file; a file without any is one where every alarm is false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledFile {
    /// Name of the file, with as much of its folder as the labels tell.
    pub file: String,
    /// Its events, in the order of the labels.
    pub events: Vec<LabelledEvent>,
}

/// A stretch of time in which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledEvent {
    /// Its start, in microseconds since 1970 UTC.
    pub start_us: i64,
    /// Its end, inclusive, likewise.
    pub end_us: i64,
    /// What happened, where the labels tell.
    pub kind: Option<String>,
}

/// Reads the labels in the file at `path`.
///
/// # Errors
/// Those of [`parse_labels`], and when the file cannot be read; all name the file.
pub fn read_labels(path: &Path) -> Result<Vec<LabelledFile>> {
    let text = std::fs::read(path).map_err(|cause| {
        let kind = match cause.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Read,
        };
        Error::new(kind, "the labels cannot be read")
            .caused_by(cause)
            .at(path)
    })?;
    parse_labels(&text).map_err(|error| error.at(path))
}

/// Reads labels of either form. Files named as keys come sorted by name, others in their order.
///
/// # Errors
/// [`ErrorKind::Format`] where the text is not JSON, has neither form, or labels a file twice; the text names
/// the entry and what was found there.
///
/// ```
/// use isoscan::evaluate::parse_labels;
/// let labels = parse_labels(br#"{"a.csv": [["1970-01-01 00:00:01.000000", "1970-01-01 00:00:02"]]}"#)?;
/// assert_eq!(labels[0].events[0].end_us, 2_000_000);
/// # Ok::<(), isoscan::Error>(())
/// ```
pub fn parse_labels(text: &[u8]) -> Result<Vec<LabelledFile>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let value: Value = serde_json::from_slice(text).map_err(|cause| {
        Error::new(ErrorKind::Format, "the labels are not JSON").caused_by(cause)
    })?;
    let mut times = TimeForm::from_format("iso", Zone::UTC)?.parser();
    let labels = match &value {
        Value::Array(files) => own_form(files, &mut times)?,
        Value::Object(object) => {
            if let Some(Value::Array(files)) = object.get("files") {
                own_form(files, &mut times)?
            } else if object.contains_key("file") || object.contains_key("events") {
                own_form(std::slice::from_ref(&value), &mut times)?
            } else {
                window_form(object, &mut times)?
            }
        }
        _ => return Err(malformed("the labels", "are an object or a list", &value)),
    };
    refuse_twins(&labels)?;
    Ok(labels)
}

fn own_form(files: &[Value], times: &mut TimeParser) -> Result<Vec<LabelledFile>> {
    let labels = files.iter().enumerate().map(|(place, value)| {
        let name = value.get("file").and_then(Value::as_str);
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            let entry = format!("entry {}", place + 1);
            return Err(malformed(&entry, "names its \"file\"", value));
        };
        let entry = format!("the entry of {}", quoted(name.as_bytes()));
        let Some(events) = value.get("events").and_then(Value::as_array) else {
            return Err(malformed(&entry, "lists its \"events\"", value));
        };
        let events = events.iter().enumerate().map(|(place, event)| {
            let entry = format!("event {} of {}", place + 1, quoted(name.as_bytes()));
            let kind = match event.get("kind") {
                None | Some(Value::Null) => None,
                Some(Value::String(kind)) => Some(kind.clone()),
                Some(other) => return Err(malformed(&entry, "has a word as its \"kind\"", other)),
            };
            let mut bound = |name| match event.get(name) {
                Some(time) => read_time(time, &entry, name, times),
                None => Err(malformed(&entry, &format!("has a \"{name}\""), event)),
            };
            Ok(LabelledEvent {
                start_us: bound("start")?,
                end_us: bound("end")?,
                kind,
            })
        });
        Ok(LabelledFile {
            file: name.to_owned(),
            events: events.collect::<Result<_>>()?,
        })
    });
    labels.collect()
}

fn window_form(files: &Map<String, Value>, times: &mut TimeParser) -> Result<Vec<LabelledFile>> {
    let labels = files.iter().map(|(name, windows)| {
        let shown = quoted(name.as_bytes());
        let Value::Array(windows) = windows else {
            let entry = format!("the entry of {shown}");
            return Err(malformed(&entry, "is a list of windows", windows));
        };
        let events = windows.iter().enumerate().map(|(place, window)| {
            let entry = format!("event {} of {shown}", place + 1);
            match window.as_array().map(Vec::as_slice) {
                Some([start, end]) => Ok(LabelledEvent {
                    start_us: read_time(start, &entry, "start", times)?,
                    end_us: read_time(end, &entry, "end", times)?,
                    kind: None,
                }),
                _ => Err(malformed(&entry, "is a pair of times", window)),
            }
        });
        Ok(LabelledFile {
            file: name.clone(),
            events: events.collect::<Result<_>>()?,
        })
    });
    let mut labels: Vec<LabelledFile> = labels.collect::<Result<_>>()?;
    // A map of JSON has the order of its text or that of its keys, as the library was built.
    labels.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(labels)
}

fn read_time(value: &Value, entry: &str, bound: &str, times: &mut TimeParser) -> Result<i64> {
    value
        .as_str()
        .and_then(|text| times.parse(text.as_bytes()))
        .ok_or_else(|| {
            let rule = format!("has as its {bound} a time such as 2026-01-31T12:00:00Z");
            malformed(entry, &rule, value)
        })
}

fn malformed(entry: &str, rule: &str, found: &Value) -> Error {
    let found = match found {
        Value::String(text) => quoted(text.as_bytes()),
        other => quoted(other.to_string().as_bytes()),
    };
    Error::new(
        ErrorKind::Format,
        format!("malformed labels: {entry} {rule}; found {found}"),
    )
}

fn refuse_twins(labels: &[LabelledFile]) -> Result<()> {
    let mut names: Vec<&str> = labels.iter().map(|label| label.file.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::new(
            ErrorKind::Format,
            format!("the labels have {} twice", quoted(pair[0].as_bytes())),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::calendar::{DAY_US, SECOND_US, days_from_civil};
    use proptest::prelude::*;

    fn at(day: u32, hour: i64, minute: i64) -> i64 {
        days_from_civil(2026, 3, day) * DAY_US + (hour * 60 + minute) * 60 * SECOND_US
    }

    fn fault(text: &str) -> String {
        let error = parse_labels(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format);
        error.to_string()
    }

    #[test]
    fn one_file_a_list_of_files_and_files_under_a_key_read_alike() {
        let one = r#"{"file": "a.csv", "events": [
            {"start": "2026-03-10T14:20:00Z", "end": "2026-03-10T14:55:00Z", "kind": "spike"},
            {"start": "2026-03-12T03:15:00+01:00", "end": "2026-03-12 04:00"}]}"#;
        let expected = vec![LabelledFile {
            file: "a.csv".into(),
            events: vec![
                LabelledEvent {
                    start_us: at(10, 14, 20),
                    end_us: at(10, 14, 55),
                    kind: Some("spike".into()),
                },
                LabelledEvent {
                    start_us: at(12, 2, 15),
                    end_us: at(12, 4, 0),
                    kind: None,
                },
            ],
        }];
        for text in [
            one.into(),
            format!("[{one}]"),
            format!("{{\"files\": [{one}]}}"),
        ] {
            assert_eq!(parse_labels(text.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn windows_come_sorted_by_file_and_without_kinds() {
        let text = r#"{"b/y.csv": [], "a/x.csv": [["2026-03-10 14:20:00.000000", "2026-03-10 14:55:00.500000"]]}"#;
        let labels = parse_labels(text.as_bytes()).unwrap();
        assert_eq!(labels[0].file, "a/x.csv");
        assert_eq!(labels[0].events[0].start_us, at(10, 14, 20));
        assert_eq!(labels[0].events[0].end_us, at(10, 14, 55) + 500_000);
        assert_eq!(labels[0].events[0].kind, None);
        assert_eq!(
            labels[1],
            LabelledFile {
                file: "b/y.csv".into(),
                events: vec![]
            }
        );
        assert_eq!(parse_labels(b"{}").unwrap(), []);
    }

    #[test]
    fn a_fault_is_told_with_its_entry_the_rule_and_the_value_found() {
        let time = "2026-03-10";
        assert_eq!(
            fault(&format!(
                r#"{{"a.csv": [["{time}", "{time}"], ["{time}", "noon"]]}}"#
            )),
            "malformed labels: event 2 of \"a.csv\" has as its end a time such as 2026-01-31T12:00:00Z; found \"noon\""
        );
        assert_eq!(
            fault(r#"{"a.csv": [["2026-02-30", 7]]}"#),
            "malformed labels: event 1 of \"a.csv\" has as its start a time such as 2026-01-31T12:00:00Z; found \"2026-02-30\""
        );
        assert_eq!(
            fault(r#"{"a.csv": [[1, 2, 3]]}"#),
            "malformed labels: event 1 of \"a.csv\" is a pair of times; found \"[1,2,3]\""
        );
        assert_eq!(
            fault(r#"{"a.csv": null}"#),
            "malformed labels: the entry of \"a.csv\" is a list of windows; found \"null\""
        );
        assert_eq!(
            fault(r#"[{"file": "a", "events": []}, 3]"#),
            "malformed labels: entry 2 names its \"file\"; found \"3\""
        );
        assert_eq!(
            fault(r#"{"file": "a"}"#),
            "malformed labels: the entry of \"a\" lists its \"events\"; found \"{\"file\":\"a\"}\""
        );
        assert_eq!(
            fault(r#"{"file": "a", "events": [{"start": "2026-03-10"}]}"#),
            "malformed labels: event 1 of \"a\" has a \"end\"; found \"{\"start\":\"2026-03-10\"}\""
        );
        assert_eq!(
            fault(
                r#"{"file": "a", "events": [{"start": "2026-03-10", "end": "2026-03-10", "kind": 4}]}"#
            ),
            "malformed labels: event 1 of \"a\" has a word as its \"kind\"; found \"4\""
        );
        assert_eq!(
            fault("7"),
            "malformed labels: the labels are an object or a list; found \"7\""
        );
        assert!(fault("{").starts_with("the labels are not JSON: "));
        assert_eq!(
            fault(r#"[{"file": "a", "events": []}, {"file": "a", "events": []}]"#),
            "the labels have \"a\" twice"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_labels(Path::new("no/such.labels.json")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error
                .to_string()
                .starts_with("no/such.labels.json: the labels cannot be read: ")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(
            parts in prop::collection::vec(
                prop::sample::select(vec!["[", "]", "{", "}", ":", ",", "\"file\"", "\"files\"", "\"events\"", "\"start\"", "\"2026-01-01\"", "1", "null"]),
                0..12,
            ),
            bytes in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            for text in [parts.concat().into_bytes(), bytes] {
                if let Err(error) = parse_labels(&text) {
                    prop_assert_eq!(error.to_string().lines().count(), 1);
                }
            }
        }
    }
}
