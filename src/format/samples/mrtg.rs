//! MRTG's log: newest first, a line of raw counters, then rows of rates.
//!
//! `time in out`, then `time average-in average-out maximum-in maximum-out` in units a second, each from its own time to that of the line
//! above it. Older rows are averages over longer steps: 5 minutes, half an hour, two hours, a day. Rates are multiplied by the finest step,
//! and rows of longer steps are left out, since they vary less. Source: MRTG, "mrtg-logfile".

use super::super::fields;
use super::{SampleFormat, SampleOptions, SampleReader, SampleSink};
use crate::support::error::Result;

/// The log of MRTG.
pub(super) struct Mrtg;

impl SampleFormat for Mrtg {
    fn name(&self) -> &'static str {
        "mrtg"
    }

    fn recognise(&self, head: &[u8], _: &SampleOptions) -> Result<Option<Box<dyn SampleReader>>> {
        let lines = fields::head_lines(head);
        let is_mrtg = match &lines[..] {
            [first, rows @ ..] if !rows.is_empty() => {
                let newest = numbers(first);
                let times = rows.iter().map(|line| numbers(line));
                let are_rows = times.clone().all(|row| row.len() == 5);
                let times: Vec<u64> = times.filter_map(|row| row.first().copied()).collect();
                newest.len() == 3
                    && newest[0] > 100_000_000
                    && are_rows
                    && times.first().is_some_and(|time| *time <= newest[0])
                    && times.windows(2).all(|pair| pair[1] <= pair[0])
            }
            _ => false,
        };
        Ok(is_mrtg.then(|| Box::new(Log::default()) as Box<dyn SampleReader>))
    }
}

/// The whole numbers of a line; none where it holds anything else.
fn numbers(line: &[u8]) -> Vec<u64> {
    let words = line
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty());
    words
        .map(fields::number)
        .collect::<Option<Vec<u64>>>()
        .unwrap_or_default()
}

#[derive(Default)]
struct Log {
    /// Time, rate in, rate out, and how long they hold, in seconds.
    rows: Vec<(u64, u64, u64, u64)>,
    /// Time of the line above.
    newer: Option<u64>,
}

impl SampleReader for Log {
    fn describe(&self) -> String {
        "MRTG log".to_owned()
    }

    fn read(&mut self, block: &[u8], sink: &mut dyn SampleSink) {
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match (numbers(line).as_slice(), self.newer) {
                (&[time, _, _], None) => self.newer = Some(time),
                (&[time, rate_in, rate_out, _, _], Some(newer)) => {
                    let step = newer.saturating_sub(time);
                    // The first row begins at the time of the counters and lasts no time at all.
                    if step == 0 {
                        sink.other();
                    } else {
                        self.rows.push((time, rate_in, rate_out, step));
                    }
                    self.newer = Some(time);
                }
                _ => sink.dropped(offset, &|| "it is not a row of five numbers".to_owned()),
            }
        }
    }

    fn finish(&mut self, sink: &mut dyn SampleSink) {
        // The finest step is the usual one of the newest rows; a first row may be shorter.
        let mut steps: Vec<u64> = self.rows.iter().take(100).map(|row| row.3).collect();
        steps.sort_unstable();
        let Some(&step) = steps.get(steps.len() / 2) else {
            return;
        };
        let mut coarse = 0_u64;
        for &(time, rate_in, rate_out, lasts) in self.rows.iter().rev() {
            if lasts > step + step / 2 {
                coarse += 1;
                sink.other();
                continue;
            }
            let Some(time_us) = i64::try_from(time)
                .ok()
                .and_then(|time| time.checked_mul(1_000_000))
            else {
                sink.dropped(0, &|| format!("the time {time} is out of range"));
                continue;
            };
            sink.sample("", "in", time_us, rate_in as f64 * step as f64);
            sink.sample("", "out", time_us, rate_out as f64 * step as f64);
        }
        if coarse > 0 {
            sink.notice(format!(
                "{coarse} older rows, which are averages over more than {step} s, are left out"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    const SAMPLE: &[u8] = b"1772359800 4294012345 123456789
1772359800 148 49 148 49
1772359500 180 60 180 60
1772359200 111 37 111 37
1772358900 156 52 156 52
1772357100 150 50 190 60
";

    #[test]
    fn rates_become_amounts_of_a_step_and_the_oldest_comes_first() {
        let series = testing::series(SAMPLE);
        assert_eq!(series[0].measures, ["in", "out"]);
        assert_eq!(
            series[0].timestamps_us,
            [
                1_772_358_900_000_000,
                1_772_359_200_000_000,
                1_772_359_500_000_000
            ]
        );
        assert_eq!(
            series[0].columns[0],
            [156.0 * 300.0, 111.0 * 300.0, 180.0 * 300.0]
        );
    }

    #[test]
    fn rows_of_longer_steps_are_left_out_and_told() {
        let mut table = testing::series_in_blocks(SAMPLE, 1).1;
        assert_eq!((table.others, table.dropped), (2, 0));
        table.take_series().unwrap();
        let told: Vec<&String> = table.notices.iter().collect();
        assert_eq!(
            told,
            ["1 older rows, which are averages over more than 300 s, are left out"]
        );
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        testing::holds_for_any_bytes(SAMPLE);
    }
}
