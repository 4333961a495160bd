//! sysstat's `sadf -d` (semicolons, with `#` heads) and `sadf -p` (TABs).
//!
//! A head names the columns of the rows below it, and comes again for each activity and after a restart. Columns in capitals are labels
//! (`IFACE`, `CPU`, `DEV`), the others are measures. The time is the end of an interval. Source: sysstat, sadf(1).

use super::super::fields;
use super::super::timestamp::{EpochUnit, TimeForm, TimeParser, Zone};
use super::cells::text;
use super::{SampleFormat, SampleOptions, SampleReader, SampleSink, value};
use crate::support::error::{Error, ErrorKind, Result, quoted};

/// Output of sadf.
pub(super) struct Sadf;

const HEAD: &[u8] = b"# hostname;interval;timestamp";

impl SampleFormat for Sadf {
    fn name(&self) -> &'static str {
        "sadf"
    }

    fn recognise(
        &self,
        head: &[u8],
        options: &SampleOptions,
    ) -> Result<Option<Box<dyn SampleReader>>> {
        let lines = fields::head_lines(head);
        let mut times = Times::new(options.zone);
        if let Some(first) = lines.iter().find(|line| line.starts_with(HEAD)) {
            if first.windows(5).any(|word| word == b"[...]") {
                let text = "sadf -h puts all devices into one row: export with 'sadf -d FILE -- -n DEV', without -h";
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            return Ok(Some(Box::new(Database {
                times,
                columns: Vec::new(),
            })));
        }
        let mut has_value = false;
        let fits = fields::most_fit(lines, |line| {
            let cells: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
            let is_row = cells.len() >= 4
                && fields::seconds_us(cells[1]).is_some()
                && times.parse(cells[2]).is_ok();
            has_value |= is_row && cells.len() == 6 && value(cells[5]).is_some();
            is_row
        });
        Ok((fits && has_value).then(|| Box::new(Pairs { times }) as Box<dyn SampleReader>))
    }
}

/// Reads times that end in the name of a zone, and seconds since 1970 (`sadf -U`).
struct Times {
    iso: TimeParser,
    utc: TimeParser,
    epoch: TimeParser,
    has_zone: bool,
}

/// Offsets from UTC in hours of the names that clocks of servers show.
const ZONES: [(&[u8], i64); 20] = [
    (b"UTC", 0),
    (b"GMT", 0),
    (b"WET", 0),
    (b"WEST", 1),
    (b"BST", 1),
    (b"CET", 1),
    (b"CEST", 2),
    (b"EET", 2),
    (b"EEST", 3),
    (b"MSK", 3),
    (b"JST", 9),
    (b"AEST", 10),
    (b"EST", -5),
    (b"EDT", -4),
    (b"CST", -6),
    (b"CDT", -5),
    (b"MST", -7),
    (b"MDT", -6),
    (b"PST", -8),
    (b"PDT", -7),
];

impl Times {
    fn new(zone: Zone) -> Self {
        Self {
            iso: TimeForm::iso(zone).parser(),
            utc: TimeForm::iso(Zone::UTC).parser(),
            epoch: TimeForm::epoch(EpochUnit::Seconds).parser(),
            has_zone: zone != Zone::UTC,
        }
    }

    fn parse(&mut self, text: &[u8]) -> Result<i64, String> {
        let text = text.trim_ascii();
        let wrong = || format!("the timestamp {} is not a time", quoted(text));
        if !text.contains(&b'-') {
            return self.epoch.parse(text).ok_or_else(wrong);
        }
        let letters = text
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let (time, name) = text.split_at(text.len() - letters);
        let time = time.trim_ascii();
        if name.is_empty() {
            return self.iso.parse(time).ok_or_else(wrong);
        }
        let is_utc = name == b"UTC" || name == b"GMT";
        // The zone that was named knows summer time better than three letters do.
        if self.has_zone && !is_utc {
            return self.iso.parse(time).ok_or_else(wrong);
        }
        let zone = ZONES.iter().find(|(known, _)| *known == name);
        let (_, hours) = zone.ok_or_else(|| {
            format!(
                "the zone {} is unknown: give it with --timezone",
                quoted(name)
            )
        })?;
        let local_us = self.utc.parse(time).ok_or_else(wrong)?;
        Ok(local_us - hours * 3_600_000_000)
    }
}

/// Whether a column names devices: `IFACE`, `CPU`, `FILESYSTEM`.
fn is_label(name: &str) -> bool {
    name.len() > 1
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// `sadf -d`.
struct Database {
    times: Times,
    /// Behind host, interval and timestamp.
    columns: Vec<String>,
}

impl Database {
    /// Interrupts have a column for each processor under one name, `CPU*`, the first for all of them.
    fn unfold(&mut self, cells: usize) {
        let last = self.columns.pop_if(|last| last.ends_with('*'));
        if let Some(kind) = last.as_deref().and_then(|last| last.strip_suffix('*')) {
            let count = cells.saturating_sub(self.columns.len() + 3);
            let numbered = (0..count).map(|place| match place.checked_sub(1) {
                Some(number) => format!("{kind} {number}"),
                None => format!("{kind} all"),
            });
            self.columns.extend(numbered);
        }
    }
}

impl SampleReader for Database {
    fn describe(&self) -> String {
        "sadf -d".to_owned()
    }

    fn read(&mut self, block: &[u8], sink: &mut dyn SampleSink) {
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            if line.first() == Some(&b'#') {
                let names = line.split(|byte| *byte == b';').skip(3);
                self.columns = names.map(|name| text(name.trim_ascii())).collect();
                continue;
            }
            let cells: Vec<&[u8]> = line.split(|byte| *byte == b';').collect();
            if cells.len() < 4 {
                sink.dropped(offset, &|| {
                    format!("it has {} fields and 4 are needed", cells.len())
                });
                continue;
            }
            // Marks of a restart and comments have an interval of -1 and a text.
            if cells[1] == b"-1"
                || cells[3].starts_with(b"LINUX-RESTART")
                || cells[3].starts_with(b"COM")
            {
                sink.other();
                continue;
            }
            self.unfold(cells.len());
            if cells.len() != self.columns.len() + 3 {
                let needed = self.columns.len() + 3;
                sink.dropped(offset, &|| {
                    format!("it has {} fields and its head has {needed}", cells.len())
                });
                continue;
            }
            let time = match self.times.parse(cells[2]) {
                Ok(time) => time,
                Err(reason) => {
                    sink.dropped(offset, &|| reason.clone());
                    continue;
                }
            };
            let mut entity = text(cells[0]);
            let rows = || self.columns.iter().zip(&cells[3..]);
            for (name, cell) in rows().filter(|(name, _)| is_label(name)) {
                entity.push('/');
                // Interfaces and disks have names of their own; a number needs its kind.
                if !matches!(name.as_str(), "IFACE" | "DEV") {
                    entity.push_str(name);
                    entity.push(' ');
                }
                entity.push_str(&if *cell == b"-1" {
                    "all".to_owned()
                } else {
                    text(cell)
                });
            }
            for (name, cell) in rows().filter(|(name, _)| !is_label(name)) {
                // Sections of devices hold names in small letters too: they are no measures.
                if let Some(value) = value(cell) {
                    sink.sample(&entity, name, time, value);
                }
            }
        }
    }
}

/// `sadf -p`: host, interval, time, device, measure, value.
struct Pairs {
    times: Times,
}

impl SampleReader for Pairs {
    fn describe(&self) -> String {
        "sadf -p".to_owned()
    }

    fn read(&mut self, block: &[u8], sink: &mut dyn SampleSink) {
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let cells: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
            let [host, interval, time, device, measure, number] = cells[..] else {
                if cells.len() >= 4 && cells[1] == b"-1" {
                    sink.other();
                } else {
                    sink.dropped(offset, &|| {
                        format!("it has {} fields and 6 are needed", cells.len())
                    });
                }
                continue;
            };
            if interval == b"-1" {
                sink.other();
                continue;
            }
            let time = match self.times.parse(time) {
                Ok(time) => time,
                Err(reason) => {
                    sink.dropped(offset, &|| reason.clone());
                    continue;
                }
            };
            let Some(value) = value(number) else {
                // Names of file systems and devices are written as if they were values.
                sink.other();
                continue;
            };
            let entity = match device {
                b"-" | b"" => text(host),
                _ => format!("{}/{}", text(host), text(device)),
            };
            sink.sample(&entity, &text(measure), time, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    const DATABASE: &[u8] = b"gw;-1;2026-03-01 09:00:00 UTC;LINUX-RESTART\t(4 CPU)
# hostname;interval;timestamp;IFACE;rxpck/s;rxkB/s
gw;600;2026-03-01 10:00:00 UTC;lo;1.00;0.10
gw;600;2026-03-01 10:00:00 UTC;eth0;10.00;550.25
gw;600;2026-03-01 10:10:00 UTC;lo;1.00;0.10
gw;600;2026-03-01 10:10:00 UTC;eth0;11.00;551.25
# hostname;interval;timestamp;CPU;%user
gw;600;2026-03-01 10:00:00 UTC;-1;2.15
gw;600;2026-03-01 10:00:00 UTC;0;2.71
gw;-1;2026-03-01 10:05:00 UTC;COM a note
# hostname;interval;timestamp;proc/s;cswch/s
gw;600;2026-03-01 10:00:00 UTC;3.56;68409.30
";

    #[test]
    fn each_interface_is_an_entity_and_each_section_has_its_own_columns() {
        let series = testing::series(DATABASE);
        let names: Vec<&str> = series.iter().map(|series| series.entity.as_str()).collect();
        assert_eq!(names, ["gw", "gw/CPU 0", "gw/CPU all", "gw/eth0", "gw/lo"]);
        let eth0 = &series[3];
        assert_eq!(eth0.measures, ["rxpck/s", "rxkB/s"]);
        assert_eq!(
            eth0.timestamps_us,
            [1_772_359_200_000_000, 1_772_359_800_000_000]
        );
        assert_eq!(eth0.columns, [[10.0, 11.0], [550.25, 551.25]]);
    }

    #[test]
    fn marks_of_restarts_and_comments_hold_no_values() {
        let table = testing::series_in_blocks(DATABASE, 1).1;
        assert_eq!((table.others, table.dropped), (2, 0));
    }

    #[test]
    fn zones_are_read_by_name_and_seconds_without_one() {
        let mut times = Times::new(Zone::UTC);
        let utc = times.parse(b"2026-03-01 10:00:00 UTC");
        assert_eq!(utc, Ok(1_772_359_200_000_000));
        assert_eq!(times.parse(b"2026-03-01 11:00:00 CET"), utc);
        assert_eq!(times.parse(b"2026-03-01 05:00:00 EST"), utc);
        assert_eq!(times.parse(b"1772359200"), utc);
        assert!(
            times
                .parse(b"2026-03-01 05:00:00 XYZ")
                .unwrap_err()
                .contains("--timezone")
        );
        let mut times = Times::new("Europe/Prague".parse().unwrap());
        assert_eq!(times.parse(b"2026-03-01 11:00:00 CET"), utc);
        assert_eq!(times.parse(b"2026-03-01 10:00:00 UTC"), utc);
    }

    #[test]
    fn pairs_are_read_as_the_database_is() {
        let text = b"gw\t600\t2026-03-01 10:00:00 UTC\teth0\trxkB/s\t550.25
gw\t600\t2026-03-01 10:00:00 UTC\t-\tproc/s\t3.56
gw\t600\t2026-03-01 10:10:00 UTC\teth0\trxkB/s\t551.25
gw\t-1\t2026-03-01 10:15:00 UTC\tLINUX-RESTART\t(4 CPU)
";
        let series = testing::series(text);
        assert_eq!(series.len(), 2);
        assert_eq!(
            (series[1].entity.as_str(), &series[1].columns[0][..]),
            ("gw/eth0", &[550.25, 551.25][..])
        );
        testing::holds_for_any_bytes(text);
    }

    #[test]
    fn rows_of_another_length_than_their_head_are_dropped() {
        let text = [DATABASE, b"gw;600;2026-03-01 10:10:00 UTC;1\n"].concat();
        let table = testing::series_in_blocks(&text, text.len()).1;
        assert_eq!(table.first_dropped, ["it has 4 fields and its head has 5"]);
    }

    #[test]
    fn interrupts_have_a_measure_for_each_processor() {
        let text = b"# hostname;interval;timestamp;INTR;CPU*
gw;600;2026-03-01 10:00:00 UTC;sum;3.5;1.5;2
gw;600;2026-03-01 10:00:00 UTC;9;1;0;1
";
        let series = testing::series(text);
        let names: Vec<&str> = series.iter().map(|series| series.entity.as_str()).collect();
        assert_eq!(names, ["gw/INTR 9", "gw/INTR sum"]);
        assert_eq!(series[1].measures, ["CPU all", "CPU 0", "CPU 1"]);
        assert_eq!(series[1].columns, [[3.5], [1.5], [2.0]]);
    }

    #[test]
    fn all_devices_in_one_row_are_refused() {
        let text = b"# hostname;interval;timestamp;CPU;%usr[...];INTR;CPU*[...]\ngw;1;2026-03-01 10:00:00 UTC;0;1;2;3\n";
        let error = Sadf
            .recognise(text, &SampleOptions { zone: Zone::UTC })
            .err()
            .unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        testing::holds_for_any_bytes(DATABASE);
    }
}
