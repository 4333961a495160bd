//! CSV that Grafana exports: a column for each series (`Time` first), or a row for each value (`Series;Time;Value`).
//!
//! A line `sep=;` for Excel may stand in front. Names of series hold quotes and commas as in RFC 4180, unknown values are `null` or empty,
//! times are ISO 8601 or milliseconds since 1970.

use super::super::fields;
use super::super::timestamp::{TimeForm, TimeParser};
use super::cells::{cells, separator, text};
use super::{SampleFormat, SampleOptions, SampleReader, SampleSink, value};
use crate::support::error::{Result, quoted};

/// CSV of Grafana.
pub(super) struct Grafana;

impl SampleFormat for Grafana {
    fn name(&self) -> &'static str {
        "grafana"
    }

    fn recognise(
        &self,
        head: &[u8],
        options: &SampleOptions,
    ) -> Result<Option<Box<dyn SampleReader>>> {
        let mut lines = fields::head_lines(head).into_iter();
        let mut first = lines.next().unwrap_or_default();
        let mut given = None;
        if let Some(mark) = first.strip_prefix(b"sep=") {
            given = mark.first().copied();
            first = lines.next().unwrap_or_default();
        }
        let separator = given.unwrap_or_else(|| separator(first));
        let names: Vec<String> = cells(first, separator)
            .iter()
            .map(|cell| text(cell))
            .collect();
        let place = match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["Time", _, ..] => 0,
            ["Series", "Time", "Value"] => 1,
            _ => return Ok(None),
        };
        let rows: Vec<Vec<u8>> = lines
            .filter_map(|line| cells(line, separator).get(place).map(|cell| cell.to_vec()))
            .collect();
        let Some(form) = TimeForm::recognise(rows.iter().map(Vec::as_slice), options.zone) else {
            return Ok(None);
        };
        Ok(Some(Box::new(Export {
            separator,
            names,
            is_long: place == 1,
            time: form.parser(),
        })))
    }
}

struct Export {
    separator: u8,
    names: Vec<String>,
    is_long: bool,
    time: TimeParser,
}

impl Export {
    fn row(&mut self, line: &[u8], sink: &mut dyn SampleSink) -> Result<(), String> {
        let cells = cells(line, self.separator);
        if cells.len() != self.names.len() {
            return Err(format!(
                "it has {} fields and its head has {}",
                cells.len(),
                self.names.len()
            ));
        }
        let time = &cells[usize::from(self.is_long)];
        let time = self
            .time
            .parse(time)
            .ok_or_else(|| format!("the Time {} is not a time", quoted(time)))?;
        let number = |cell: &[u8]| {
            value(cell).ok_or_else(|| {
                format!(
                    "the value {} is not a number: export it without units",
                    quoted(cell)
                )
            })
        };
        if self.is_long {
            sink.sample(&text(&cells[0]), "value", time, number(&cells[2])?);
            return Ok(());
        }
        let values: Vec<f64> = cells[1..]
            .iter()
            .map(|cell| number(cell))
            .collect::<Result<_, _>>()?;
        for (name, value) in self.names[1..].iter().zip(values) {
            sink.sample(name, "value", time, value);
        }
        Ok(())
    }
}

impl SampleReader for Export {
    fn describe(&self) -> String {
        match self.is_long {
            true => "Grafana CSV, a value a row".to_owned(),
            false => "Grafana CSV, a series a column".to_owned(),
        }
    }

    fn read(&mut self, block: &[u8], sink: &mut dyn SampleSink) {
        for (offset, line) in fields::lines(block) {
            let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
            if line.trim_ascii().is_empty() || line.starts_with(b"sep=") {
                continue;
            }
            let is_head = cells(line, self.separator)
                .iter()
                .map(|cell| text(cell))
                .eq(self.names.iter().cloned());
            if is_head {
                continue;
            }
            if let Err(reason) = self.row(line, sink) {
                sink.dropped(offset, &|| reason.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    const WIDE: &[u8] = b"sep=;\r
\"Time\";\"eth0 in\";\"{name=\"\"up\"\"; a,b}\"\r
Time;eth0 in;\"{name=\"\"up\"\"; a,b}\"\r
\"2026-03-01T12:00:00+02:00\";619.4;null\r
\"2026-03-01T12:05:00+02:00\";;1\r
\"2026-03-01T12:10:00+02:00\";5;2";
    const LONG: &[u8] = b"\"Series\";\"Time\";\"Value\"
\"a\";\"2026-03-01T10:00:00Z\";1
\"b\";\"2026-03-01T10:00:00Z\";2
\"a\";\"2026-03-01T10:05:00Z\";3
";

    #[test]
    fn each_column_is_a_series_and_null_is_unknown() {
        let (_, table) = testing::series_in_blocks(WIDE, 1);
        assert_eq!(table.dropped, 0, "{:?}", table.first_dropped);
        let series = table.finish().unwrap();
        let names: Vec<&str> = series.iter().map(|series| series.entity.as_str()).collect();
        assert_eq!(names, ["eth0 in", "{name=\"up\"; a,b}"]);
        assert_eq!(series[0].timestamps_us[0], 1_772_359_200_000_000);
        assert_eq!(
            (series[0].columns[0][0], series[0].columns[0][2]),
            (619.4, 5.0)
        );
        assert!(series[0].columns[0][1].is_nan() && series[1].columns[0][0].is_nan());
    }

    #[test]
    fn a_value_a_row_is_split_by_its_series() {
        let series = testing::series(LONG);
        assert_eq!(series.len(), 2);
        assert_eq!(
            (series[0].entity.as_str(), &series[0].columns[0][..]),
            ("a", &[1.0, 3.0][..])
        );
    }

    #[test]
    fn times_may_be_milliseconds() {
        let text = b"\"Time\",\"{__name__=\"\"up\"\", job=\"\"a\"\"}\"\n1772359200000,1\n1772359215000,0\n";
        let series = testing::series(text);
        assert_eq!(
            series[0].timestamps_us,
            [1_772_359_200_000_000, 1_772_359_215_000_000]
        );
    }

    #[test]
    fn values_with_units_are_dropped_with_a_hint() {
        let text = b"Time,a\n2026-03-01 10:00:00,1\n2026-03-01 10:05:00,12 kB/s\n";
        let table = testing::series_in_blocks(text, text.len()).1;
        assert_eq!(
            table.first_dropped,
            ["the value \"12 kB/s\" is not a number: export it without units"]
        );
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        testing::holds_for_any_bytes(WIDE);
        testing::holds_for_any_bytes(LONG);
    }
}
