//! Files that hold several series, told apart by labels: exports of monitoring systems.
//!
//! In: text of sadf, Grafana, Prometheus, InfluxDB, RRDtool or MRTG. Out: [`LabelledSeries`], one for each combination of labels, with a
//! column for each measure. Series that share a file are never merged. Knows nothing of detectors and outputs.
//!
//! A format implements [`SampleFormat`] and [`SampleReader`] and is listed in [`SAMPLE_FORMATS`]. Its reader takes blocks of whole lines in
//! order and hands each value over with the entity (the labels) and the measure (the metric) that it belongs to.

mod cells;
mod counter;
mod grafana;
mod influx;
mod mrtg;
mod prometheus;
mod rrd;
mod sadf;
mod table;

pub use self::counter::{Counted, differences, looks_like_counter};
pub use self::table::{LabelledSeries, SampleTable};

use super::timestamp::Zone;
use crate::support::error::Result;

/// Every format of labelled series, in the order in which they are tried.
pub static SAMPLE_FORMATS: &[&dyn SampleFormat] = &[
    &sadf::Sadf,
    &influx::Influx,
    &rrd::Rrd,
    &mrtg::Mrtg,
    &grafana::Grafana,
    &prometheus::Prometheus,
];

/// What the user said about reading, as far as these formats need it.
#[derive(Debug, Clone, Copy)]
pub struct SampleOptions {
    /// Zone of times that name none.
    pub zone: Zone,
}

/// Takes the values of a file.
pub trait SampleSink {
    /// A value of `measure` for `entity` at a time in microseconds UTC; NaN where the exporter says that it is unknown.
    fn sample(&mut self, entity: &str, measure: &str, timestamp_us: i64, value: f64);
    /// A line that cannot be used: its offset in the block, and why.
    fn dropped(&mut self, offset: usize, reason: &dyn Fn() -> String);
    /// A line that belongs to the file but holds no value: a mark of a restart, a repeated head.
    fn other(&mut self);
    /// What the user should be told of the file as a whole. Equal texts count once.
    fn notice(&mut self, text: String);
    /// A column that is neither label nor measure: named where rows turn out to need one more label.
    fn unused_column(&mut self, name: &str);
}

/// A format of labelled series.
pub trait SampleFormat: Sync {
    /// Its name for `--format`: `sadf`.
    fn name(&self) -> &'static str;

    /// Looks at the first bytes of an input, unpacked, without a byte-order mark; the last line may be cut. `Ok(None)` where it is
    /// something else.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::support::error::ErrorKind::Unsupported) for a relative that cannot be read; the text says what to do.
    fn recognise(
        &self,
        head: &[u8],
        options: &SampleOptions,
    ) -> Result<Option<Box<dyn SampleReader>>>;
}

/// Reads one input, block by block.
pub trait SampleReader: Send {
    /// In words: `sadf -d`.
    fn describe(&self) -> String;

    /// Reads a block of whole lines, the first block from the start of the input. Blocks come in order.
    fn read(&mut self, block: &[u8], sink: &mut dyn SampleSink);

    /// Behind the last block.
    fn finish(&mut self, sink: &mut dyn SampleSink) {
        let _ = sink;
    }

    /// Whether labels split the file whatever its times are. Where not, a file whose times are all different is one series, and
    /// its labels are only words beside it.
    fn labels_are_certain(&self) -> bool {
        true
    }
}

/// The format of labelled series that an input has, by its head, and a reader for it; `Ok(None)` where it has none. With `format` only
/// the format of that name is tried.
///
/// # Errors
/// Those of [`SampleFormat::recognise`].
pub fn recognise_samples(
    head: &[u8],
    format: Option<&str>,
    options: &SampleOptions,
) -> Result<Option<(&'static str, Box<dyn SampleReader>)>> {
    for candidate in SAMPLE_FORMATS {
        if format.is_some_and(|name| name != candidate.name()) {
            continue;
        }
        if let Some(reader) = candidate.recognise(head, options)? {
            return Ok(Some((candidate.name(), reader)));
        }
    }
    Ok(None)
}

/// The value in a cell: a number, or NaN where nothing, `null`, `NaN` or `U` says that it is unknown. `None` for anything else.
fn value(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii();
    let is_unknown = [
        &b""[..],
        b"null",
        b"nan",
        b"-nan",
        b"u",
        b"undefined",
        b"none",
    ]
    .iter()
    .any(|unknown| unknown.eq_ignore_ascii_case(text));
    if is_unknown {
        return Some(f64::NAN);
    }
    let number: f64 = fast_float2::parse(text).ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod testing {
    use super::*;

    /// The series of a whole input, read in blocks of about `size` bytes.
    pub(super) fn series_in_blocks(text: &[u8], size: usize) -> (String, SampleTable) {
        let options = SampleOptions { zone: Zone::UTC };
        let (_, mut reader) = recognise_samples(text, None, &options)
            .unwrap()
            .expect("the format is not recognised");
        let mut table = SampleTable::new(reader.labels_are_certain());
        let mut start = 0;
        while start < text.len() {
            let mut end = (start + size).min(text.len());
            end += memchr::memchr(b'\n', &text[end..]).map_or(text.len() - end, |line| line + 1);
            reader.read(&text[start..end], &mut table);
            start = end;
        }
        reader.finish(&mut table);
        (reader.describe(), table)
    }

    pub(super) fn series(text: &[u8]) -> Vec<LabelledSeries> {
        series_in_blocks(text, text.len()).1.finish().unwrap()
    }

    /// Reading in blocks changes nothing; cut, mutated and arbitrary bytes never panic.
    pub(super) fn holds_for_any_bytes(sample: &[u8]) {
        use proptest::prelude::*;
        let shown = |table: SampleTable| format!("{:?}", table.finish());
        let whole = shown(series_in_blocks(sample, sample.len()).1);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let input = (
            any::<prop::sample::Index>(),
            prop::collection::vec(any::<u8>(), 0..6),
            0_usize..8,
            1_usize..300,
            prop::collection::vec(any::<u8>(), 0..200),
        );
        let outcome = runner.run(&input, |(place, bytes, gone, size, noise)| {
            prop_assert_eq!(&shown(series_in_blocks(sample, size).1), &whole);
            let mut text = sample.to_vec();
            let at = place.index(text.len() + 1);
            text.splice(at..(at + gone).min(sample.len()), bytes);
            for text in [&text[..], &noise, &sample[..at]] {
                let options = SampleOptions { zone: Zone::UTC };
                for format in SAMPLE_FORMATS {
                    if let Ok(Some(mut reader)) = format.recognise(text, &options) {
                        let mut table = SampleTable::new(reader.labels_are_certain());
                        reader.read(text, &mut table);
                        reader.finish(&mut table);
                        let _ = table.finish();
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_are_told_from_numbers_and_words() {
        for text in ["", "null", "NaN", "-nan", "U", " "] {
            assert!(value(text.as_bytes()).unwrap().is_nan(), "{text}");
        }
        assert_eq!(value(b" -1.5e3 "), Some(-1500.0));
        for text in ["x", "12 kB/s", "inf", "1,5"] {
            assert_eq!(value(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_plain_series_is_none_of_these() {
        let options = SampleOptions { zone: Zone::UTC };
        for text in [
            "timestamp,value\n2026-03-01,1\n",
            "",
            "a b c\n",
            "timestamp,value,rate\n1,2,3\n",
        ] {
            assert!(
                recognise_samples(text.as_bytes(), None, &options)
                    .unwrap()
                    .is_none(),
                "{text}"
            );
        }
    }
}
