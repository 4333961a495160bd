//! The short table at the end of a run.

use std::fmt::Write as _;
use std::path::Path;

use super::summary::{InputSummary, Summary};
use crate::error::printable;

/// Sources named in the table.
const NAMED: usize = 10;

/// The table as text; `colour` allows for escape sequences.
pub fn table(summary: &Summary, folder: &Path, colour: bool) -> String {
    let mut text = String::new();
    let paint = |code: &str, text: String| match colour {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text,
    };
    let totals = &summary.totals;
    let rate = totals.rows as f64 / summary.seconds.max(1e-9);
    let mut line = |label: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{label:<13} {value}");
    };
    let mut files = format!("{} scanned", grouped(totals.ok));
    if totals.failed > 0 {
        let _ = write!(
            files,
            ", {}",
            paint("31", format!("{} failed", grouped(totals.failed)))
        );
    }
    if totals.skipped > 0 {
        let _ = write!(files, ", {} passed over", grouped(totals.skipped));
    }
    line("files", files);
    let dropped = match totals.dropped_rows {
        0 => String::new(),
        rows => paint("33", format!(", {} dropped", grouped(rows))),
    };
    line("rows", format!("{}{dropped}", grouped(totals.rows)));
    line("anomalies", paint("1", grouped(totals.anomalies)));
    line(
        "time",
        format!(
            "{} ({} rows/s)",
            seconds(summary.seconds),
            grouped(rate as u64)
        ),
    );
    line("outputs in", printable(&folder.to_string_lossy()));

    let mut worst: Vec<&InputSummary> = summary.inputs.iter().filter(|i| i.anomalies > 0).collect();
    worst.sort_by(|a, b| {
        let score = |input: &InputSummary| input.highest_score.unwrap_or(0.0);
        score(b)
            .total_cmp(&score(a))
            .then_with(|| a.path.cmp(&b.path))
    });
    if totals.ok > 1 && !worst.is_empty() {
        let _ = writeln!(
            text,
            "\n{:>9}  {:>9}  most anomalous",
            "highest", "anomalies"
        );
        for input in worst.iter().take(NAMED) {
            let _ = writeln!(
                text,
                "{:>9.3}  {:>9}  {}",
                input.highest_score.unwrap_or(0.0),
                grouped(input.anomalies),
                printable(&input.path)
            );
        }
        if worst.len() > NAMED {
            let _ = writeln!(
                text,
                "{:>22} {} more",
                "…",
                grouped((worst.len() - NAMED) as u64)
            );
        }
    }
    text
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.1} s"),
        s => format!("{:.0} min {:02.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_what_a_person_asks_first() {
        let mut summary = Summary::new(vec![], 42);
        summary.seconds = 2.0;
        summary.totals.ok = 1;
        summary.totals.failed = 2;
        summary.totals.rows = 4032;
        summary.totals.anomalies = 40;
        assert_eq!(
            table(&summary, Path::new("output"), false),
            "files         1 scanned, 2 failed\n\
             rows          4,032\n\
             anomalies     40\n\
             time          2.00 s (2,016 rows/s)\n\
             outputs in    output\n"
        );
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
