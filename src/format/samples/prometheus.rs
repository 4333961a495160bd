//! CSV of Prometheus and of its kind: `timestamp`, `value` and further columns of text, which are labels.
//!
//! A column `name`, `__name__` or `metric` is the measure. Series may follow one another or be interleaved.

use super::super::fields;
use super::super::timestamp::{TimeForm, TimeParser};
use super::cells::{cells, separator, text};
use super::{SampleFormat, SampleOptions, SampleReader, SampleSink, value};
use crate::support::error::{Result, quoted};

/// CSV with a label in each further column.
pub(super) struct Prometheus;

impl SampleFormat for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn recognise(
        &self,
        head: &[u8],
        options: &SampleOptions,
    ) -> Result<Option<Box<dyn SampleReader>>> {
        let lines = fields::head_lines(head);
        let Some((first, rows)) = lines.split_first() else {
            return Ok(None);
        };
        let separator = separator(first);
        let names: Vec<String> = cells(first, separator)
            .iter()
            .map(|cell| text(cell))
            .collect();
        let find = |wanted: &[&str]| {
            names
                .iter()
                .position(|name| wanted.iter().any(|w| name.eq_ignore_ascii_case(w)))
        };
        let (Some(time), Some(value_place)) = (find(&["timestamp"]), find(&["value"])) else {
            return Ok(None);
        };
        let measure = find(&["name", "__name__", "metric"]);
        let rows: Vec<Vec<Vec<u8>>> = rows
            .iter()
            .map(|line| {
                cells(line, separator)
                    .iter()
                    .map(|cell| cell.to_vec())
                    .collect()
            })
            .filter(|cells: &Vec<Vec<u8>>| cells.len() == names.len())
            .collect();
        // A column is a label if most of its cells are words.
        let is_label = |place: &usize| {
            let is_other = *place != time && *place != value_place && Some(*place) != measure;
            let cells = rows.iter().map(|cells| &cells[*place]);
            let (mut words, mut numbers) = (0_usize, 0_usize);
            for cell in cells.filter(|cell| !cell.is_empty()) {
                match value(cell) {
                    None => words += 1,
                    Some(_) => numbers += 1,
                }
            }
            is_other && words > 0 && words >= 4 * numbers
        };
        let labels: Vec<usize> = (0..names.len()).filter(is_label).collect();
        let times = rows.iter().map(|cells| cells[time].as_slice());
        let form = TimeForm::recognise(times, options.zone);
        let (Some(form), false) = (form, labels.is_empty() && measure.is_none()) else {
            return Ok(None);
        };
        let known = |name: &String| matches!(name.as_str(), "instance" | "job" | "__name__");
        let is_certain = names.iter().any(known) || (measure.is_some() && !labels.is_empty());
        Ok(Some(Box::new(Labelled {
            separator,
            time,
            value: value_place,
            measure,
            labels,
            names,
            is_certain,
            parser: form.parser(),
        })))
    }
}

struct Labelled {
    separator: u8,
    names: Vec<String>,
    time: usize,
    value: usize,
    measure: Option<usize>,
    labels: Vec<usize>,
    is_certain: bool,
    parser: TimeParser,
}

impl Labelled {
    fn row(&mut self, line: &[u8], sink: &mut dyn SampleSink) -> Result<(), String> {
        let cells = cells(line, self.separator);
        if cells.len() != self.names.len() {
            return Err(format!(
                "it has {} fields and its head has {}",
                cells.len(),
                self.names.len()
            ));
        }
        let time = &cells[self.time];
        let time_us = self
            .parser
            .parse(time)
            .ok_or_else(|| format!("the timestamp {} is not a time", quoted(time)))?;
        let cell = &cells[self.value];
        let number =
            value(cell).ok_or_else(|| format!("the value {} is not a number", quoted(cell)))?;
        let mut entity = String::new();
        for &place in &self.labels {
            if cells[place].is_empty() {
                continue;
            }
            if !entity.is_empty() {
                entity.push(',');
            }
            entity.push_str(&self.names[place]);
            entity.push('=');
            entity.push_str(&String::from_utf8_lossy(&cells[place]));
        }
        let measure = self
            .measure
            .map_or("value".to_owned(), |place| text(&cells[place]));
        sink.sample(&entity, &measure, time_us, number);
        Ok(())
    }
}

impl SampleReader for Labelled {
    fn describe(&self) -> String {
        let labels: Vec<&str> = self
            .labels
            .iter()
            .map(|&place| self.names[place].as_str())
            .collect();
        format!("CSV with labels ({})", labels.join(", "))
    }

    fn read(&mut self, block: &[u8], sink: &mut dyn SampleSink) {
        for (place, name) in self.names.iter().enumerate() {
            let is_used = place == self.time || place == self.value || Some(place) == self.measure;
            if !is_used && !self.labels.contains(&place) {
                sink.unused_column(name);
            }
        }
        for (offset, line) in fields::lines(block) {
            let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
            if line.trim_ascii().is_empty() {
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

    fn labels_are_certain(&self) -> bool {
        self.is_certain
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    const SAMPLE: &[u8] = b"name,timestamp,value,device,instance
rx,1772359200.781,10,eth0,gw:9100
rx,1772359500.781,11,eth0,gw:9100
tx,1772359200.781,20,eth0,gw:9100
rx,1772359200.781,5,lo,
rx,1772359500.781,NaN,lo,
";

    #[test]
    fn each_combination_of_labels_is_an_entity_and_each_name_a_measure() {
        let series = testing::series(SAMPLE);
        let names: Vec<&str> = series.iter().map(|series| series.entity.as_str()).collect();
        assert_eq!(names, ["device=eth0,instance=gw:9100", "device=lo"]);
        assert_eq!(series[0].measures, ["rx", "tx"]);
        assert_eq!(series[0].columns[0], [10.0, 11.0]);
        assert!(series[0].columns[1][1].is_nan() && series[1].columns[0][1].is_nan());
        assert_eq!(series[0].timestamps_us[0], 1_772_359_200_781_000);
    }

    #[test]
    fn a_column_of_remarks_does_not_split_a_series() {
        let text = b"timestamp,value,remark\n2026-03-01 10:00:00,1,normal\n2026-03-01 10:05:00,9,flood\n2026-03-01 10:10:00,1,normal\n";
        let series = testing::series(text);
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].columns[0], [1.0, 9.0, 1.0]);
    }

    #[test]
    fn hosts_that_share_their_times_are_split() {
        let text = b"timestamp,value,host\n2026-03-01 10:00:00,1,a\n2026-03-01 10:00:00,9,b\n2026-03-01 10:05:00,1,a\n2026-03-01 10:05:00,9,b\n";
        assert_eq!(testing::series(text).len(), 2);
    }

    #[test]
    fn rows_that_a_number_alone_tells_apart_are_an_error_that_names_it() {
        let text = b"timestamp,value,host,port\n2026-03-01 10:00:00,1,a,80\n2026-03-01 10:00:00,9,a,443\n2026-03-01 10:05:00,1,a,80\n2026-03-01 10:05:00,9,a,443\n";
        let error = testing::series_in_blocks(text, text.len())
            .1
            .finish()
            .unwrap_err();
        assert!(
            error.to_string().contains("tell them apart: port"),
            "{error}"
        );
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        testing::holds_for_any_bytes(SAMPLE);
    }
}
