//! Which inputs are parts of one log.
//!
//! In: paths. Out: names of logs. Programs that write logs rotate them: they put dates, times, numbers and random
//! suffixes into names and folders, and pack old parts. What is left of a path without these is the log's name.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Source;

/// Suffixes that say only how a text is packed.
pub(super) const PACKED_SUFFIXES: [&str; 6] = ["gz", "zst", "zstd", "bz2", "bzip2", "xz"];

/// What is one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Join {
    /// Each file.
    File,
    /// Files whose names differ only in dates, times and what else rotation puts into them.
    Rotated,
    /// All files of a folder.
    Folder,
    /// All inputs.
    All,
}

impl FromStr for Join {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "file" => Ok(Self::File),
            "rotated" => Ok(Self::Rotated),
            "folder" => Ok(Self::Folder),
            "all" => Ok(Self::All),
            _ => Err("expected file, rotated, folder or all".to_owned()),
        }
    }
}

/// Inputs that are read as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// Its name, as tables show it.
    pub name: String,
    /// The inputs, in the order of their paths.
    pub parts: Vec<Source>,
}

/// Groups inputs into logs, in the order of their names. Two inputs of which `kind` says different things, such as their
/// formats, are never one log; where they share a name, the kind is added to it.
pub(crate) fn into_logs<K: Ord + std::fmt::Display>(
    inputs: Vec<Source>,
    join: Join,
    kind: impl Fn(&Source) -> K,
) -> Vec<Log> {
    let mut logs: std::collections::BTreeMap<(String, K), Vec<Source>> = Default::default();
    for input in inputs {
        let name = match (&input.location, join) {
            (super::Location::StandardInput, _) => input.name(),
            (super::Location::File(_), Join::All) => "all".to_owned(),
            (super::Location::File(path), join) => shown(&log_path(path, join)),
        };
        let kind = kind(&input);
        logs.entry((name, kind)).or_default().push(input);
    }
    let names: Vec<String> = logs.keys().map(|(name, _)| name.clone()).collect();
    let is_shared = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    logs.into_iter()
        .map(|((name, kind), mut parts)| {
            parts.sort();
            let name = if is_shared(&name) {
                format!("{name} ({kind})")
            } else {
                name
            };
            Log { name, parts }
        })
        .collect()
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The path that names the log of which `path` is a part.
///
/// With [`Join::Rotated`], that is `path` without dates, times, rotation numbers, random suffixes and packing:
/// `logs/2026-11-01/conn.13:00:00-14:00:00.log.gz` is a part of `logs/conn.log`. A name that holds nothing else is
/// replaced by that of its folder: `logs/2026-11-01.csv` is a part of `logs.csv`. With [`Join::All`] it is the path itself.
pub(crate) fn log_path(path: &Path, join: Join) -> PathBuf {
    match join {
        Join::File | Join::All => path.to_path_buf(),
        Join::Folder => match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        },
        Join::Rotated => rotated(path),
    }
}

fn rotated(path: &Path) -> PathBuf {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return path.to_path_buf();
    };
    let folder = undated_folder(path.parent().unwrap_or(Path::new("")));
    let (stem, extension) = undated_name(name);
    if !stem.is_empty() {
        return folder.join(stem + &extension);
    }
    // Nothing but a date: the folder says what it is about.
    match folder.file_name().and_then(|name| name.to_str()) {
        Some(above) => folder.with_file_name(above.to_owned() + &extension),
        None if extension.is_empty() => path.to_path_buf(),
        None => folder.join(extension.trim_start_matches('.')),
    }
}

/// A folder without the folders in it that are nothing but dates and times: `2026-11-01`, `2026/11/01`, `dt=2026-11-01`,
/// `y=2026/m=11`.
fn undated_folder(folder: &Path) -> PathBuf {
    let parts: Vec<Component<'_>> = folder.components().collect();
    let texts: Vec<&str> = parts
        .iter()
        .map(|part| part.as_os_str().to_str().unwrap_or("-"))
        .collect();
    let mut kept = PathBuf::new();
    let mut at = 0;
    while at < parts.len() {
        let nested = nested_date(&texts[at..]);
        if nested > 0 {
            at += nested;
        } else {
            if !is_dated_folder(texts[at]) {
                kept.push(parts[at]);
            }
            at += 1;
        }
    }
    kept
}

/// How many folders from the first on are a year, a month, a day and an hour below each other; 0 where they are not.
fn nested_date(folders: &[&str]) -> usize {
    let number = |at: usize, digits: usize, range: std::ops::RangeInclusive<u32>| {
        folders.get(at).is_some_and(|text| {
            text.len() == digits
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && text.parse().is_ok_and(|number| range.contains(&number))
        })
    };
    if !number(0, 4, YEARS) || !number(1, 2, 1..=12) {
        return 0;
    }
    if !number(2, 2, 1..=31) {
        return 2;
    }
    if number(3, 2, 0..=23) { 4 } else { 3 }
}

fn is_dated_folder(name: &str) -> bool {
    let value = match name.split_once('=') {
        // Partitions of data lakes.
        Some((key, value)) => {
            let known = [
                "y", "year", "m", "month", "d", "day", "h", "hour", "minute", "dt", "date",
            ];
            if !known.contains(&key.to_ascii_lowercase().as_str()) {
                return false;
            }
            if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
                return true;
            }
            value
        }
        None => name,
    };
    date_at(value.as_bytes()).is_some_and(|date| date.length == value.len())
}

/// A file's name without dates and what else rotation puts into it, and its extension with the dot.
fn undated_name(name: &str) -> (String, String) {
    let mut name = name;
    while let Some((front, suffix)) = name.rsplit_once('.')
        && !front.is_empty()
        && (PACKED_SUFFIXES.contains(&suffix.to_ascii_lowercase().as_str())
            || is_rotation_number(suffix))
    {
        name = front;
    }
    let bytes = name.as_bytes();
    let mut kept = String::new();
    let mut at = 0;
    let mut has_time = false;
    while at < bytes.len() {
        let starts_token = at == 0 || !bytes[at - 1].is_ascii_alphanumeric() || is_iis(&name[..at]);
        if starts_token && let Some(date) = date_at(&bytes[at..]).or_else(|| iis_date(name, at)) {
            at += date.length;
            has_time |= date.has_time;
            drop_separator(&mut kept, &name[at..]);
            continue;
        }
        let token = bytes[at..]
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric())
            .map_or(bytes.len(), |length| at + length.max(1));
        let mut text = &name[at..next_boundary(name, token)];
        if text.len() > 2 && is_iis(&text[..next_boundary(text, 2)]) {
            text = &text[..2];
        }
        if has_time && is_random(text, &name[at + text.len()..]) {
            at += text.len();
            drop_separator(&mut kept, &name[at..]);
            continue;
        }
        kept.push_str(text);
        at += text.len();
    }
    let kept = kept.trim_matches(['-', '_', ':', ' ']);
    match kept.rfind('.') {
        Some(dot) => {
            let stem = kept[..dot].trim_end_matches(['-', '_', '.', ':', ' ']);
            (stem.to_owned(), kept[dot..].to_owned())
        }
        None => (kept.to_owned(), String::new()),
    }
}

/// The next place from `at` on where `text` may be cut.
fn next_boundary(text: &str, at: usize) -> usize {
    (at..=text.len())
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(text.len())
}

/// Behind a part that was left out, of the separators before and behind it one is left.
fn drop_separator(kept: &mut String, rest: &str) {
    let is_separator = |c: char| matches!(c, '-' | '_' | '.' | ':' | ' ');
    if rest.is_empty() || rest.starts_with(is_separator) {
        while kept.ends_with(is_separator) {
            kept.pop();
        }
    }
}

/// Rotation numbers count from 0 or 1: `access.log.2`.
fn is_rotation_number(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a token behind a time of day is what an exporter adds to make names differ: a random text, or a part of the
/// address of the machine that wrote the file. `rest` is what follows.
fn is_random(token: &str, rest: &str) -> bool {
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return false;
    }
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = digits == token.len();
    (token.len() >= 8 && digits > 0)
        || (token.len() >= 8 && is_hex)
        || (is_number && token.len() == 3 && rest.starts_with(['.', '_']))
}

/// Years that a log can be from.
const YEARS: std::ops::RangeInclusive<u32> = 1990..=2099;

/// A date, or a time of day, at the front of a text.
struct Dated {
    length: usize,
    has_time: bool,
}

/// Recognises `2026-11-01`, `20261101`, `2026110113`, `202611011300`, `20261101T1300Z`, `2026-11-01-13`,
/// `2026-11-01T13:00:00`, `13:00:00-14:00:00`, seconds since 1970 and the like. A date with letters or digits right
/// behind it is none.
fn date_at(text: &[u8]) -> Option<Dated> {
    let mut found = times_at(text)
        .or_else(|| calendar_date_at(text))
        .or_else(|| epoch_at(text))?;
    if text.get(found.length) == Some(&b'Z') {
        found.length += 1;
    }
    let behind = text.get(found.length);
    (!behind.is_some_and(u8::is_ascii_alphanumeric)).then_some(found)
}

fn number_at(text: &[u8], digits: usize) -> Option<u32> {
    let text = text.get(..digits)?;
    text.iter().all(u8::is_ascii_digit).then(|| {
        text.iter()
            .fold(0, |number, digit| 10 * number + u32::from(digit - b'0'))
    })
}

fn within(text: &[u8], digits: usize, range: std::ops::RangeInclusive<u32>) -> bool {
    number_at(text, digits).is_some_and(|number| range.contains(&number))
}

/// `13:00:00`, and a second one behind `-` or `_`.
fn times_at(text: &[u8]) -> Option<Dated> {
    let clock = |text: &[u8]| -> Option<usize> {
        let is_clock = within(text, 2, 0..=24)
            && text.get(2) == Some(&b':')
            && within(text.get(3..)?, 2, 0..=59)
            && text.get(5) == Some(&b':')
            && within(text.get(6..)?, 2, 0..=60);
        is_clock.then_some(8)
    };
    let mut length = clock(text)?;
    if matches!(text.get(length), Some(b'-' | b'_'))
        && let Some(second) = clock(&text[length + 1..])
    {
        length += 1 + second;
    }
    Some(Dated {
        length,
        has_time: true,
    })
}

fn calendar_date_at(text: &[u8]) -> Option<Dated> {
    if !within(text, 4, YEARS) {
        return None;
    }
    let separator = *text.get(4)?;
    let date = if separator.is_ascii_digit() {
        (within(&text[4..], 2, 1..=12) && within(text.get(6..)?, 2, 1..=31)).then_some(8)?
    } else {
        let is_date = matches!(separator, b'-' | b'_' | b'.')
            && within(&text[5..], 2, 1..=12)
            && text.get(7) == Some(&separator)
            && within(text.get(8..)?, 2, 1..=31);
        is_date.then_some(10)?
    };
    let time = time_behind_date(&text[date..]);
    Some(Dated {
        length: date + time,
        has_time: time > 0,
    })
}

/// The length of a time of day behind a date, with what stands between them; 0 where there is none.
fn time_behind_date(text: &[u8]) -> usize {
    let gap = usize::from(matches!(
        text.first(),
        Some(b'T' | b'-' | b'_' | b'.' | b' ')
    ));
    let clock = &text[gap..];
    if !within(clock, 2, 0..=24) {
        return 0;
    }
    let mut length = 2;
    for _ in 0..2 {
        let separated = usize::from(matches!(clock.get(length), Some(b':' | b'-' | b'_' | b'.')));
        match clock.get(length + separated..) {
            Some(rest) if within(rest, 2, 0..=60) => length += separated + 2,
            _ => break,
        }
    }
    let is_longer = clock.get(length).is_some_and(|next| next.is_ascii_digit());
    if is_longer { 0 } else { gap + length }
}

/// Ten digits that are seconds since 1970, between 2001 and 2033.
fn epoch_at(text: &[u8]) -> Option<Dated> {
    (text.first() == Some(&b'1') && number_at(text, 10).is_some()).then_some(Dated {
        length: 10,
        has_time: true,
    })
}

/// Whether `front` ends as names of IIS do before a date of six digits: `u_ex`.
fn is_iis(front: &str) -> bool {
    front.to_ascii_lowercase().ends_with("ex")
}

/// `221107` behind `u_ex`, with or without the hour.
fn iis_date(name: &str, at: usize) -> Option<Dated> {
    let text = &name.as_bytes()[at..];
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_date = is_iis(&name[..at])
        && within(text.get(2..)?, 2, 1..=12)
        && within(text.get(4..)?, 2, 1..=31)
        && (digits == 6 || digits == 8);
    is_date.then_some(Dated {
        length: digits,
        has_time: digits == 8,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input::Location;

    fn name(path: &str) -> String {
        shown(&log_path(Path::new(path), Join::Rotated))
    }

    #[test]
    fn parts_of_a_rotated_log_have_the_name_of_the_log() {
        let parts = [
            ("conn.log", "conn.log"),
            ("conn.2026-11-01-00.log.gz", "conn.log"),
            (
                "logs/2026-11-01/conn.13:00:00-14:00:00.log.gz",
                "logs/conn.log",
            ),
            (
                "logs/2026-11-01/conn.23:00:00-00:00:00.log.gz",
                "logs/conn.log",
            ),
            ("conn.2026-11-01T13:00:00.log", "conn.log"),
            ("access.log", "access.log"),
            ("access.log.1", "access.log"),
            ("access.log.2.gz", "access.log"),
            ("access.log-20260315", "access.log"),
            ("access.log-20260315.gz", "access.log"),
            ("access.log.2026-03-15.xz", "access.log"),
            ("access_2026_03_15.log", "access.log"),
            ("2026-03-15-access.log", "access.log"),
            ("edge.csv-20260315", "edge.csv"),
            ("edge-2026-03-15.csv", "edge.csv"),
            ("edge_20260315_13.csv", "edge.csv"),
            ("eve-2026-03-15.json", "eve.json"),
            ("eve.json.1", "eve.json"),
            ("nfcapd.202603150000.csv", "nfcapd.csv"),
            ("u_ex221107.log", "u_ex.log"),
            ("u_ex22110713.log", "u_ex.log"),
            ("traffic.1773532800.log", "traffic.log"),
            (
                "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2024/04/19/\
                 123456789012_vpcflowlogs_eu-west-1_fl-0a1b2c3d_20240419T0105Z_d78224fd.log.gz",
                "AWSLogs/123456789012/vpcflowlogs/eu-west-1/\
                 123456789012_vpcflowlogs_eu-west-1_fl-0a1b2c3d.log",
            ),
            (
                "123456789012_elasticloadbalancing_eu-west-1_app.web.0123456789abcdef_20240419T0105Z_172.160.001.192_20sg8hgm.log.gz",
                "123456789012_elasticloadbalancing_eu-west-1_app.web.0123456789abcdef.log",
            ),
            ("cdn/E1ABC.2024-04-19-01.ab12cd34.gz", "cdn/E1ABC"),
            ("s3/2024-04-19-01-23-45-ABCDEF0123456789", "s3"),
            ("year=2026/month=03/day=15/part.parquet", "part.parquet"),
            ("dt=2026-03-15/flows.parquet", "flows.parquet"),
            ("logs/2026/03/15/13/http.json", "logs/http.json"),
            ("logs/2026-03-15.csv", "logs.csv"),
        ];
        for (part, log) in parts {
            assert_eq!(name(part), log, "{part}");
        }
    }

    #[test]
    fn digits_that_are_no_date_keep_files_apart() {
        for apart in [
            "router-01.csv",
            "edge-2.log",
            "10.0.0.1.csv",
            "rack-20261399.csv",
            "v2.0/flows.csv",
            "2026-report-final.csv.bak",
            "fl-20260315abc.log",
            "vlan100.csv",
            "port-443-flows.csv",
            "день.csv",
        ] {
            assert_eq!(name(apart), apart);
        }
    }

    #[test]
    fn inputs_of_different_kinds_are_different_logs() {
        let input = |path: &str| Source {
            location: Location::File(path.into()),
            output_stem: path.into(),
            is_named: true,
        };
        let inputs = ["b/conn.log.1", "a.csv", "b/conn.log"].map(input).to_vec();
        let logs = |join| {
            into_logs(inputs.clone(), join, |_| "zeek")
                .into_iter()
                .map(|log| (log.name, log.parts.len()))
                .collect::<Vec<_>>()
        };
        let named = |names: &[(&str, usize)]| {
            names
                .iter()
                .map(|(name, parts)| ((*name).to_owned(), *parts))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            logs(Join::Rotated),
            named(&[("a.csv", 1), ("b/conn.log", 2)])
        );
        assert_eq!(
            logs(Join::File),
            named(&[("a.csv", 1), ("b/conn.log", 1), ("b/conn.log.1", 1)])
        );
        assert_eq!(logs(Join::Folder), named(&[(".", 1), ("b", 2)]));
        assert_eq!(logs(Join::All), named(&[("all", 3)]));
        let kinds = into_logs(inputs, Join::Rotated, |input| input.name().ends_with('1'));
        let names: Vec<&str> = kinds.iter().map(|log| log.name.as_str()).collect();
        assert_eq!(names, ["a.csv", "b/conn.log (false)", "b/conn.log (true)"]);
    }

    proptest! {
        #[test]
        fn any_name_has_a_log_and_a_log_is_its_own(text in "[a-z0-9:._Tß=/-]{1,40}") {
            let log = log_path(Path::new(&text), Join::Rotated);
            prop_assert!(!log.as_os_str().is_empty() || Path::new(&text).file_name().is_none());
        }

        #[test]
        fn every_day_and_hour_of_a_log_has_its_name(
            year in 1990u32..2099, month in 1u32..13, day in 1u32..29, hour in 0u32..24, number in 0u32..400,
        ) {
            for part in [
                format!("conn.{year}-{month:02}-{day:02}-{hour:02}.log.gz"),
                format!("{year}-{month:02}-{day:02}/conn.{hour:02}:00:00-{:02}:00:00.log", (hour + 1) % 24),
                format!("conn.log-{year}{month:02}{day:02}.{number}.bz2"),
                format!("conn_{year}{month:02}{day:02}T{hour:02}00Z_{:08x}.log.zst", number * 7_919_777),
            ] {
                prop_assert_eq!(name(&part), "conn.log", "{}", part);
            }
        }
    }
}
