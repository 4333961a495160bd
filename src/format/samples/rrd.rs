//! What RRDtool exports: `xport` as JSON and XML, and `fetch` as text.
//!
//! Rates a second are multiplied by the step, so that a value is the amount of its step. Without a column of times (`xport` without
//! `-t`) they are counted from the start. Source: RRDtool, rrdxport(1) and rrdfetch(1).

use super::super::{fields, json};
use super::cells::text;
use super::{SampleFormat, SampleOptions, SampleReader, SampleSink, value};
use crate::support::error::Result;

/// Exports of RRDtool.
pub(super) struct Rrd;

impl SampleFormat for Rrd {
    fn name(&self) -> &'static str {
        "rrd"
    }

    fn recognise(&self, head: &[u8], _: &SampleOptions) -> Result<Option<Box<dyn SampleReader>>> {
        let has = |word: &[u8]| memchr::memmem::find(head, word).is_some();
        let lines = fields::head_lines(head);
        let kind = match head.trim_ascii_start().first() {
            Some(b'{') if has(b"\"meta\"") && has(b"\"step\"") && has(b"\"legend\"") => Kind::Json,
            Some(b'<') if has(b"<xport>") => Kind::Xml,
            _ if lines.len() > 1
                && lines[1..].iter().all(|line| fetched(line).is_some())
                && fetched(lines[0]).is_none() =>
            {
                Kind::Fetch
            }
            _ => return Ok(None),
        };
        Ok(Some(Box::new(Export {
            kind,
            whole: Vec::new(),
        })))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Xml,
    Fetch,
}

impl Kind {
    fn describe(self) -> &'static str {
        match self {
            Self::Json => "RRDtool xport, JSON",
            Self::Xml => "RRDtool xport, XML",
            Self::Fetch => "RRDtool fetch",
        }
    }
}

/// A row of `fetch`, `1713484800: 1.5e+02 nan`: its time and the texts of its values.
fn fetched(line: &[u8]) -> Option<(i64, Vec<&[u8]>)> {
    let colon = memchr::memchr(b':', line)?;
    let time = i64::try_from(fields::number(line[..colon].trim_ascii())?).ok()?;
    let rest = &line[colon + 1..];
    let words: Vec<&[u8]> = rest
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    (!words.is_empty() && words.iter().all(|word| value(word).is_some())).then_some((time, words))
}

/// An export is read when it is whole: the step stands apart from the rows, and databases of RRDtool are small.
struct Export {
    kind: Kind,
    whole: Vec<u8>,
}

/// A table of rates.
#[derive(Default)]
struct Rates {
    start: i64,
    step: i64,
    legend: Vec<String>,
    /// Seconds since 1970 where the row says them, and the rates.
    rows: Vec<(Option<i64>, Vec<f64>)>,
}

impl SampleReader for Export {
    fn describe(&self) -> String {
        self.kind.describe().to_owned()
    }

    fn read(&mut self, block: &[u8], _: &mut dyn SampleSink) {
        self.whole.extend_from_slice(block);
    }

    fn finish(&mut self, sink: &mut dyn SampleSink) {
        let whole = std::mem::take(&mut self.whole);
        let rates = match self.kind {
            Kind::Json => in_json(&whole, sink),
            Kind::Xml => in_xml(&whole, sink),
            Kind::Fetch => in_fetch(&whole, sink),
        };
        rates.give(self.kind, sink);
    }
}

impl Rates {
    fn give(self, kind: Kind, sink: &mut dyn SampleSink) {
        if self.rows.is_empty() {
            return;
        }
        if self.step <= 0 {
            sink.dropped(0, &|| "the export does not say its step".to_owned());
            return;
        }
        if self.step > 300 {
            sink.notice(format!(
                "the export has steps of {} s: 'rrdtool xport -m ROWS' gives finer ones",
                self.step
            ));
        }
        for (place, (time, values)) in self.rows.iter().enumerate() {
            let counted = self
                .start
                .saturating_add((place as i64).saturating_mul(self.step));
            let Some(time_us) = time.unwrap_or(counted).checked_mul(1_000_000) else {
                sink.dropped(0, &|| "a time is out of range".to_owned());
                continue;
            };
            for (name, rate) in self.legend.iter().zip(values) {
                let amount = rate * self.step as f64;
                // Data sources of one database are measures; a legend names whatever the export put together.
                match kind {
                    Kind::Fetch => sink.sample("", name, time_us, amount),
                    Kind::Json | Kind::Xml => sink.sample(name, "value", time_us, amount),
                }
            }
        }
    }

    /// Takes a row, whose first cell is a time where it has one cell more than the legend.
    fn take(&mut self, cells: &[Vec<u8>], sink: &mut dyn SampleSink) {
        let (time, cells) = match cells {
            [time, rest @ ..] if cells.len() == self.legend.len() + 1 => (Some(time), rest),
            _ => (None, cells),
        };
        let seconds = time
            .and_then(|time| fields::number(time))
            .and_then(|time| i64::try_from(time).ok());
        let values: Option<Vec<f64>> = cells.iter().map(|cell| value(cell)).collect();
        match values {
            Some(values)
                if values.len() == self.legend.len() && seconds.is_some() == time.is_some() =>
            {
                self.rows.push((seconds, values));
            }
            _ => {
                sink.dropped(0, &|| "a row does not fit the legend".to_owned());
                // The rows behind keep their place.
                self.rows.push((None, vec![f64::NAN; self.legend.len()]));
            }
        }
    }
}

fn in_json(whole: &[u8], sink: &mut dyn SampleSink) -> Rates {
    let mut rates = Rates::default();
    let mut rows: Vec<Vec<Vec<u8>>> = Vec::new();
    let seconds = |value: &json::Value<'_>| {
        value
            .number()
            .and_then(|number| i64::try_from(number).ok())
            .unwrap_or(0)
    };
    let walked = json::walk(whole, |key, inner| {
        match key {
            "meta" => inner.walk(|key, value| {
                match key {
                    "start" => rates.start = seconds(&value),
                    "step" => rates.step = seconds(&value),
                    "legend" => {
                        rates.legend = value.items().map(|name| text(&name.text())).collect()
                    }
                    _ => {}
                }
                true
            }),
            "data" => {
                let row = |row: json::Value<'_>| {
                    row.items().map(|cell| cell.text().into_owned()).collect()
                };
                rows = inner.items().map(row).collect();
            }
            _ => {}
        }
        true
    });
    if let Err(reason) = walked {
        sink.dropped(0, &|| reason.clone());
    }
    for row in &rows {
        rates.take(row, sink);
    }
    rates
}

/// The text between `<name>` and `</name>`, and what follows.
fn element<'a>(text: &'a [u8], name: &str) -> Option<(&'a [u8], &'a [u8])> {
    let open = format!("<{name}>");
    let close = format!("</{name}>");
    let start = memchr::memmem::find(text, open.as_bytes())? + open.len();
    let end = start + memchr::memmem::find(&text[start..], close.as_bytes())?;
    Some((&text[start..end], &text[end + close.len()..]))
}

fn elements<'a>(text: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (inner, after) = element(rest, name)?;
        rest = after;
        Some(inner)
    })
}

fn in_xml(whole: &[u8], sink: &mut dyn SampleSink) -> Rates {
    let mut rates = Rates::default();
    let (meta, data) = element(whole, "meta").unwrap_or((b"", whole));
    let seconds = |name| {
        let (text, _) = element(meta, name)?;
        i64::try_from(fields::number(text.trim_ascii())?).ok()
    };
    rates.start = seconds("start").unwrap_or(0);
    rates.step = seconds("step").unwrap_or(0);
    rates.legend = elements(meta, "entry").map(unescaped).collect();
    for row in elements(data, "row") {
        let time = element(row, "t").map(|(time, _)| time.trim_ascii().to_vec());
        let cells: Vec<Vec<u8>> = time
            .into_iter()
            .chain(elements(row, "v").map(|cell| cell.to_vec()))
            .collect();
        rates.take(&cells, sink);
    }
    rates
}

fn unescaped(name: &[u8]) -> String {
    let name = text(name);
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(name, |name, (escaped, plain)| name.replace(escaped, plain))
}

fn in_fetch(whole: &[u8], sink: &mut dyn SampleSink) -> Rates {
    let mut rates = Rates::default();
    for (offset, line) in fields::lines(whole) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if rates.legend.is_empty() {
            let names = line
                .split(|byte| byte.is_ascii_whitespace())
                .filter(|name| !name.is_empty());
            rates.legend = names.map(text).collect();
            continue;
        }
        match fetched(line) {
            Some((time, words)) if words.len() == rates.legend.len() => {
                let values = words
                    .iter()
                    .map(|word| value(word).unwrap_or(f64::NAN))
                    .collect();
                rates.rows.push((Some(time), values));
            }
            _ => sink.dropped(offset, &|| "it is not a row of time and values".to_owned()),
        }
    }
    let times: Vec<i64> = rates.rows.iter().filter_map(|row| row.0).collect();
    let mut steps: Vec<i64> = times
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .filter(|step| *step > 0)
        .collect();
    steps.sort_unstable();
    rates.step = steps.get(steps.len() / 2).copied().unwrap_or(0);
    rates
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    const JSON: &[u8] = br#"{ "about": "RRDtool graph JSON output",
  "meta": { "start": 1772359200, "end": 1772360100, "step": 300, "legend": [ "eth0 in", "eth0 out" ] },
  "data": [
    [ "1772359200",null,1.0 ],
    [ "1772359500",2.5e+00,2.0 ],
    [ "1772359800",3.5,null ]
  ]
}
"#;
    const XML: &[u8] = b"<?xml version=\"1.0\"?>
<xport><meta><start>1772359200</start><step>900</step><legend><entry>a &amp; b</entry></legend></meta>
<data>
<row><t>1772359200</t><v>NaN</v></row>
<row><t>1772360100</t><v>2.0</v></row>
</data></xport>
";
    const FETCH: &[u8] = b"                   in                 out

1772359200: 1.0000000000e+00 2.0000000000e+00
1772359500: 3.0000000000e+00 -nan
1772359800: nan nan
";

    #[test]
    fn rates_become_the_amounts_of_a_step() {
        let series = testing::series(JSON);
        assert_eq!(
            (series[0].entity.as_str(), series[1].entity.as_str()),
            ("eth0 in", "eth0 out")
        );
        assert_eq!(series[0].timestamps_us[1], 1_772_359_500_000_000);
        assert_eq!(series[0].columns[0][1..], [750.0, 1050.0]);
        assert!(series[0].columns[0][0].is_nan() && series[1].columns[0][2].is_nan());
    }

    #[test]
    fn without_times_rows_are_counted_from_the_start() {
        let text = String::from_utf8_lossy(JSON)
            .replace("\"1772359200\",", "")
            .replace("\"1772359500\",", "")
            .replace("\"1772359800\",", "");
        let shown = |text: &[u8]| format!("{:?}", testing::series(text));
        assert_eq!(shown(text.as_bytes()), shown(JSON));
    }

    #[test]
    fn long_steps_are_told() {
        let mut table = testing::series_in_blocks(XML, 1).1;
        let series = table.take_series().unwrap();
        assert_eq!(
            (series[0].entity.as_str(), series[0].columns[0][1]),
            ("a & b", 1800.0)
        );
        let told: Vec<&String> = table.notices.iter().collect();
        assert!(told[0].contains("steps of 900 s"), "{told:?}");
    }

    #[test]
    fn data_sources_of_a_fetch_are_measures() {
        let series = testing::series(FETCH);
        assert_eq!(
            (series.len(), &series[0].measures[..]),
            (1, &["in".to_owned(), "out".to_owned()][..])
        );
        assert_eq!(series[0].columns[0][..2], [300.0, 900.0]);
        assert!(series[0].columns[1][1].is_nan());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        for sample in [JSON, XML, FETCH] {
            testing::holds_for_any_bytes(sample);
        }
    }
}
