//! Annotated CSV of InfluxDB: tables with `#datatype`, `#group` and `#default` above their heads.
//!
//! Columns whose name begins with an underscore have a meaning of their own (`_time`, `_value`, `_field`, `_measurement`); the others are
//! labels, or measures where a pivoted table has numbers in them. Source: InfluxData, "Annotated CSV".

use super::super::fields;
use super::super::timestamp::{TimeForm, TimeParser, Zone};
use super::cells::{cells, text};
use super::{SampleFormat, SampleOptions, SampleReader, SampleSink, value};
use crate::support::error::{Result, quoted};

/// Annotated CSV of InfluxDB.
pub(super) struct Influx;

impl SampleFormat for Influx {
    fn name(&self) -> &'static str {
        "influx"
    }

    fn recognise(&self, head: &[u8], _: &SampleOptions) -> Result<Option<Box<dyn SampleReader>>> {
        let lines = fields::head_lines(head);
        let annotations: [&[u8]; 3] = [b"#group,", b"#datatype,", b"#default,"];
        let is_annotated = lines
            .first()
            .is_some_and(|line| annotations.iter().any(|mark| line.starts_with(mark)));
        let is_table = lines
            .first()
            .is_some_and(|line| line.starts_with(b",result,table,"));
        if !is_annotated && !is_table {
            return Ok(None);
        }
        Ok(Some(Box::new(Tables {
            types: Vec::new(),
            names: Vec::new(),
            time: TimeForm::iso(Zone::UTC).parser(),
        })))
    }
}

struct Tables {
    /// What `#datatype` says of each column.
    types: Vec<String>,
    /// The head; empty where the next line is one.
    names: Vec<String>,
    time: TimeParser,
}

impl Tables {
    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    fn is_number(&self, place: usize) -> bool {
        let kind = self.types.get(place).map(String::as_str);
        matches!(kind, Some("double" | "long" | "unsignedLong"))
    }

    fn row(&mut self, line: &[u8], sink: &mut dyn SampleSink) -> Result<(), String> {
        let cells = cells(line, b',');
        if cells.len() != self.names.len() {
            return Err(format!(
                "it has {} fields and its head has {}",
                cells.len(),
                self.names.len()
            ));
        }
        let time_place = self.place("_time").ok_or("its table has no _time")?;
        let time = &cells[time_place];
        let time_us = self
            .time
            .parse(time)
            .ok_or_else(|| format!("the _time {} is not a time", quoted(time)))?;
        let value_place = self.place("_value");
        let mut entity = String::new();
        let mut measured: Vec<(String, usize)> = Vec::new();
        let cell_of = |name: &str| {
            self.place(name)
                .map(|place| text(&cells[place]))
                .unwrap_or_default()
        };
        let prefix = match cell_of("_measurement") {
            name if name.is_empty() => name,
            name => name + ".",
        };
        for (place, name) in self.names.iter().enumerate() {
            let is_own = name.is_empty()
                || name.starts_with('_')
                || matches!(name.as_str(), "result" | "table");
            if is_own {
                continue;
            }
            if value_place.is_none() && self.is_number(place) {
                measured.push((format!("{prefix}{name}"), place));
            } else if !cells[place].is_empty() {
                if !entity.is_empty() {
                    entity.push(',');
                }
                entity.push_str(name);
                entity.push('=');
                entity.push_str(&String::from_utf8_lossy(&cells[place]));
            }
        }
        if let Some(place) = value_place {
            let field = match cell_of("_field") {
                field if field.is_empty() => "value".to_owned(),
                field => field,
            };
            measured.push((format!("{prefix}{field}"), place));
        }
        for (measure, place) in measured {
            let cell = &cells[place];
            let number =
                value(cell).ok_or_else(|| format!("the value {} is not a number", quoted(cell)))?;
            sink.sample(&entity, &measure, time_us, number);
        }
        Ok(())
    }
}

impl SampleReader for Tables {
    fn describe(&self) -> String {
        "InfluxDB annotated CSV".to_owned()
    }

    fn read(&mut self, block: &[u8], sink: &mut dyn SampleSink) {
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                self.names.clear();
            } else if line.first() == Some(&b'#') {
                self.names.clear();
                if line.starts_with(b"#datatype,") {
                    self.types = cells(line, b',').iter().map(|cell| text(cell)).collect();
                }
            } else if self.names.is_empty() {
                self.names = cells(line, b',').iter().map(|cell| text(cell)).collect();
            } else if let Err(reason) = self.row(line, sink) {
                sink.dropped(offset, &|| reason.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    const SAMPLE: &[u8] = b"#group,false,false,true,true,false,false,true,true,true\r
#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string\r
#default,_result,,,,,,,,\r
,result,table,_start,_stop,_time,_value,_field,_measurement,host\r
,,0,2026-03-01T00:00:00Z,2026-03-02T00:00:00Z,2026-03-01T10:00:00Z,15.5,rx,net,a\r
,,0,2026-03-01T00:00:00Z,2026-03-02T00:00:00Z,2026-03-01T10:05:00Z,16.5,rx,net,a\r
\r
#group,false,false,true,true,false,false,true,true,true\r
#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string\r
#default,_result,,,,,,,,\r
,result,table,_start,_stop,_time,_value,_field,_measurement,host\r
,,1,2026-03-01T00:00:00Z,2026-03-02T00:00:00Z,2026-03-01T10:00:00Z,7,tx,net,a\r
,,2,2026-03-01T00:00:00Z,2026-03-02T00:00:00Z,2026-03-01T10:00:00Z,,rx,net,b\r
";

    #[test]
    fn tags_are_labels_and_fields_are_measures() {
        let (_, table) = testing::series_in_blocks(SAMPLE, 1);
        assert_eq!(table.dropped, 0, "{:?}", table.first_dropped);
        let series = table.finish().unwrap();
        assert_eq!(
            (series[0].entity.as_str(), series[1].entity.as_str()),
            ("host=a", "host=b")
        );
        assert_eq!(series[0].measures, ["net.rx", "net.tx"]);
        assert_eq!(series[0].columns[0], [15.5, 16.5]);
        assert!(series[1].columns[0][0].is_nan());
    }

    #[test]
    fn a_pivoted_table_has_a_measure_in_each_column_of_numbers() {
        let text = b"#datatype,string,long,dateTime:RFC3339,double,long,string
#group,false,false,false,false,false,true
#default,_result,,,,,
,result,table,_time,rx,tx,host
,,0,2026-03-01T10:00:00Z,1.5,2,a
";
        let series = testing::series(text);
        assert_eq!(
            (series[0].entity.as_str(), &series[0].measures[..]),
            ("host=a", &["rx".to_owned(), "tx".to_owned()][..])
        );
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        testing::holds_for_any_bytes(SAMPLE);
    }
}
