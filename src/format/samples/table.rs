//! Gathers the values of a file into one series for each entity.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::SampleSink;
use super::counter::{differences, looks_like_counter};
use crate::support::error::{Error, ErrorKind, Result, quoted};

/// One series of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledSeries {
    /// Its labels, as `device=eth0,instance=gw`; empty where the file holds one series.
    pub entity: String,
    /// What each column holds.
    pub measures: Vec<String>,
    /// Microseconds UTC, ascending; a time stands twice where the file repeats it.
    pub timestamps_us: Vec<i64>,
    /// A column for each measure, as long as `timestamps_us`; NaN where a value is unknown or missing.
    pub columns: Vec<Vec<f64>>,
}

/// How many dropped lines are named.
const NAMED_DROPS: usize = 3;

/// Holds the values of a file until it is read: 24 bytes a value.
#[derive(Debug, Default)]
pub struct SampleTable {
    labels_are_certain: bool,
    entities: Vec<(String, Vec<Sample>)>,
    entity_places: HashMap<String, usize>,
    measures: Vec<String>,
    measure_places: HashMap<String, u32>,
    /// The entity of the last value: neighbours mostly share it.
    last: usize,
    /// Lines that could not be used.
    pub dropped: u64,
    /// The first of them, with the reason.
    pub first_dropped: Vec<String>,
    /// Lines without a value that belong to the file.
    pub others: u64,
    /// What the user should be told.
    pub notices: BTreeSet<String>,
    unused: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    timestamp_us: i64,
    measure: u32,
    value: f64,
}

impl SampleTable {
    /// An empty table; `labels_are_certain` as [`SampleReader::labels_are_certain`](super::SampleReader::labels_are_certain) says.
    pub fn new(labels_are_certain: bool) -> Self {
        Self {
            labels_are_certain,
            ..Self::default()
        }
    }

    /// Values gathered so far.
    pub fn samples(&self) -> usize {
        self.entities.iter().map(|(_, samples)| samples.len()).sum()
    }

    fn measure(&mut self, name: &str) -> u32 {
        if let Some(&place) = self.measure_places.get(name) {
            return place;
        }
        let place = self.measures.len() as u32;
        self.measures.push(name.to_owned());
        self.measure_places.insert(name.to_owned(), place);
        place
    }

    fn entity(&mut self, name: &str) -> usize {
        if let Some((last, _)) = self.entities.get(self.last)
            && last == name
        {
            return self.last;
        }
        let place = match self.entity_places.get(name) {
            Some(&place) => place,
            None => {
                self.entities.push((name.to_owned(), Vec::new()));
                self.entity_places
                    .insert(name.to_owned(), self.entities.len() - 1);
                self.entities.len() - 1
            }
        };
        self.last = place;
        place
    }

    /// The series, in the order of their entities. Counters are turned into what they counted, and the notices say so.
    ///
    /// Where the labels are not certain and at most half of the rows share their time with another, the file is one series.
    ///
    /// # Errors
    /// [`ErrorKind::Format`] where more than half of the rows of an entity share a time with another and no label tells them apart;
    /// the text names the columns that could.
    pub fn finish(mut self) -> Result<Vec<LabelledSeries>> {
        self.take_series()
    }

    /// The same, leaving counts and notices to be asked for.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn take_series(&mut self) -> Result<Vec<LabelledSeries>> {
        let mut entities = std::mem::take(&mut self.entities);
        self.entity_places.clear();
        if !self.labels_are_certain && entities.len() > 1 {
            let times = entities.iter().flat_map(|(_, samples)| samples);
            let mut times: Vec<(u32, i64)> = times
                .map(|sample| (sample.measure, sample.timestamp_us))
                .collect();
            times.sort_unstable();
            if shared(&times) * 2 <= times.len() {
                let samples = entities
                    .drain(..)
                    .flat_map(|(_, samples)| samples)
                    .collect();
                entities.push((String::new(), samples));
            }
        }
        entities.sort_by(|one, other| one.0.cmp(&other.0));
        let mut series = Vec::with_capacity(entities.len());
        for (entity, samples) in entities {
            series.push(self.pivot(entity, samples)?);
        }
        Ok(series)
    }

    /// Rows of one entity, with a column for each measure it has.
    fn pivot(&mut self, entity: String, mut samples: Vec<Sample>) -> Result<LabelledSeries> {
        samples.sort_by_key(|sample| (sample.measure, sample.timestamp_us));
        let times: Vec<(u32, i64)> = samples
            .iter()
            .map(|sample| (sample.measure, sample.timestamp_us))
            .collect();
        if shared(&times) * 2 > times.len() {
            return Err(self.not_told_apart(&entity, shared(&times), times.len()));
        }
        // A row is a time and which of its repetitions it is.
        let mut rows: BTreeMap<(i64, u32), usize> = BTreeMap::new();
        let mut places = Vec::with_capacity(samples.len());
        let mut before = None;
        let mut repetition = 0;
        for time in &times {
            repetition = if before == Some(*time) {
                repetition + 1
            } else {
                0
            };
            before = Some(*time);
            places.push((time.1, repetition));
            rows.insert((time.1, repetition), 0);
        }
        for (place, row) in rows.values_mut().enumerate() {
            *row = place;
        }
        let timestamps_us: Vec<i64> = rows.keys().map(|(time, _)| *time).collect();
        let mut numbers: Vec<u32> = samples.iter().map(|sample| sample.measure).collect();
        numbers.dedup();
        let mut columns = vec![vec![f64::NAN; timestamps_us.len()]; numbers.len()];
        for (sample, place) in samples.iter().zip(places) {
            if let (Ok(column), Some(&row)) =
                (numbers.binary_search(&sample.measure), rows.get(&place))
            {
                columns[column][row] = sample.value;
            }
        }
        let measures: Vec<String> = numbers
            .iter()
            .filter_map(|&number| self.measures.get(number as usize).cloned())
            .collect();
        for (column, measure) in columns.iter_mut().zip(&measures) {
            if looks_like_counter(measure, column) {
                let counted = differences(&timestamps_us, column);
                *column = counted.increases;
                let name = if entity.is_empty() {
                    measure.clone()
                } else {
                    format!("{measure} of {entity}")
                };
                self.notices.insert(format!(
                    "{name} is a counter: its growth is judged ({} wraps of 32 bits, {} of 64 bits, {} resets)",
                    counted.wraps_32, counted.wraps_64, counted.resets
                ));
            }
        }
        Ok(LabelledSeries {
            entity,
            measures,
            timestamps_us,
            columns,
        })
    }

    fn not_told_apart(&self, entity: &str, shared: usize, rows: usize) -> Error {
        let of = match entity {
            "" => String::new(),
            _ => format!(" of {}", quoted(entity.as_bytes())),
        };
        let unused: Vec<&str> = self.unused.iter().map(String::as_str).collect();
        let hint = match unused[..] {
            [] => {
                "no column could tell them apart: export each series into its own file".to_owned()
            }
            _ => format!("columns that could tell them apart: {}", unused.join(", ")),
        };
        let text = format!(
            "several series are interleaved: {shared} of {rows} rows{of} share a time with another; {hint}"
        );
        Error::new(ErrorKind::Format, text)
    }
}

/// How many of the sorted `times` are equal to a neighbour.
fn shared(times: &[(u32, i64)]) -> usize {
    let is_equal = |place: usize, other: Option<usize>| {
        other.and_then(|other| times.get(other)) == times.get(place)
    };
    (0..times.len())
        .filter(|&place| is_equal(place, place.checked_sub(1)) || is_equal(place, Some(place + 1)))
        .count()
}

impl SampleSink for SampleTable {
    fn sample(&mut self, entity: &str, measure: &str, timestamp_us: i64, value: f64) {
        let measure = self.measure(measure);
        let entity = self.entity(entity);
        self.entities[entity].1.push(Sample {
            timestamp_us,
            measure,
            value,
        });
    }

    fn dropped(&mut self, _offset: usize, reason: &dyn Fn() -> String) {
        self.dropped += 1;
        if self.first_dropped.len() < NAMED_DROPS {
            self.first_dropped.push(reason());
        }
    }

    fn other(&mut self) {
        self.others += 1;
    }

    fn notice(&mut self, text: String) {
        self.notices.insert(text);
    }

    fn unused_column(&mut self, name: &str) {
        self.unused.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(certain: bool, samples: &[(&str, &str, i64, f64)]) -> SampleTable {
        let mut table = SampleTable::new(certain);
        for &(entity, measure, time, value) in samples {
            table.sample(entity, measure, time, value);
        }
        table
    }

    #[test]
    fn each_entity_is_a_series_with_its_measures_as_columns() {
        let samples = [
            ("b", "rx", 2, 1.0),
            ("b", "tx", 2, 2.0),
            ("a", "rx", 1, 3.0),
            ("b", "rx", 1, 4.0),
        ];
        let series = table(true, &samples).finish().unwrap();
        let names: Vec<&str> = series.iter().map(|series| series.entity.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let b = &series[1];
        assert_eq!(
            (&b.timestamps_us[..], &b.measures[..]),
            (&[1, 2][..], &["rx".to_owned(), "tx".to_owned()][..])
        );
        assert_eq!(b.columns[0], [4.0, 1.0]);
        assert!(b.columns[1][0].is_nan());
        assert_eq!(b.columns[1][1], 2.0);
    }

    #[test]
    fn words_beside_a_series_do_not_split_it() {
        let samples = [
            ("normal", "value", 1, 1.0),
            ("flood", "value", 2, 9.0),
            ("normal", "value", 3, 1.0),
        ];
        let series = table(false, &samples).finish().unwrap();
        assert_eq!(series.len(), 1);
        assert_eq!(
            (series[0].entity.as_str(), &series[0].columns[0][..]),
            ("", &[1.0, 9.0, 1.0][..])
        );
        assert_eq!(table(true, &samples).finish().unwrap().len(), 2);
    }

    #[test]
    fn labels_split_where_times_are_shared() {
        let samples = [
            ("a", "value", 1, 1.0),
            ("b", "value", 1, 9.0),
            ("a", "value", 2, 1.0),
            ("b", "value", 2, 9.0),
        ];
        assert_eq!(table(false, &samples).finish().unwrap().len(), 2);
    }

    #[test]
    fn interleaved_rows_that_nothing_tells_apart_are_an_error_with_the_columns() {
        let samples = [
            ("", "value", 1, 1.0),
            ("", "value", 1, 9.0),
            ("", "value", 2, 1.0),
            ("", "value", 2, 9.0),
        ];
        let mut interleaved = table(true, &samples);
        interleaved.unused_column("port");
        let error = interleaved.finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format);
        assert!(
            error.to_string().contains("4 of 4 rows") && error.to_string().contains("port"),
            "{error}"
        );
        let error = table(true, &samples).finish().unwrap_err();
        assert!(error.to_string().contains("into its own file"), "{error}");
    }

    #[test]
    fn a_time_that_is_repeated_now_and_then_stays_two_rows() {
        let samples = [
            ("", "value", 1, 1.0),
            ("", "value", 1, 9.0),
            ("", "value", 2, 1.0),
            ("", "value", 3, 2.0),
            ("", "value", 4, 3.0),
        ];
        let series = table(true, &samples).finish().unwrap();
        assert_eq!(series[0].timestamps_us, [1, 1, 2, 3, 4]);
        assert_eq!(series[0].columns[0], [1.0, 9.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_counter_is_differenced_and_told() {
        let mut counter = SampleTable::new(true);
        for row in 0..30 {
            let value = if row < 20 { row * 10 } else { (row - 20) * 10 };
            counter.sample("eth0", "rx_total", i64::from(row), f64::from(value));
        }
        let series = counter.take_series().unwrap();
        assert_eq!(series[0].columns[0][1], 10.0);
        assert!(series[0].columns[0][20].is_nan());
        let notices: Vec<&String> = counter.notices.iter().collect();
        assert!(
            notices[0].contains("rx_total of eth0 is a counter") && notices[0].contains("1 resets"),
            "{notices:?}"
        );
    }
}
