//! The short table at the end of a run.

use std::fmt::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};

use super::grouped;
use super::summary::Summary;
use crate::detect::Severity;
use crate::support::text::{duration, path_text, printable};

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Sources with longer names push what stands behind them to the right.
const WIDEST_SOURCE: usize = 40;

/// The table as text, with escape sequences where `color` allows them.
pub fn table(summary: &Summary, folder: &Path, color: bool) -> String {
    let mut text = String::new();
    let paint = |style: Style, text: String| {
        if color {
            format!("{style}{text}{style:#}")
        } else {
            text
        }
    };
    let totals = &summary.totals;
    let rate = totals.rows as f64 / summary.seconds.max(1e-9);
    let mut line = |label: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{label:<13} {value}");
    };
    let mut files = format!("{} scanned", grouped(totals.ok));
    if summary.reused > 0 {
        let _ = write!(files, " ({} before)", grouped(summary.reused));
    }
    if totals.not_judged > 0 {
        let _ = write!(files, ", {} not judged", grouped(totals.not_judged));
    }
    if totals.failed > 0 {
        let _ = write!(
            files,
            ", {}",
            paint(RED, format!("{} failed", grouped(totals.failed)))
        );
    }
    if totals.skipped > 0 {
        let _ = write!(files, ", {} skipped", grouped(totals.skipped));
    }
    line("files", files);
    let dropped = match totals.dropped_rows {
        0 => String::new(),
        rows => paint(YELLOW, format!(", {} dropped", grouped(rows))),
    };
    line("rows", format!("{}{dropped}", grouped(totals.rows)));
    line("anomalies", paint(BOLD, grouped(totals.anomalies)));
    let by_severity: Vec<String> = totals
        .incidents
        .by_severity
        .iter()
        .rev()
        .map(|(severity, &count)| format!("{} {severity}", grouped(count)))
        .collect();
    let incidents = if by_severity.is_empty() {
        "0".to_owned()
    } else {
        let all = grouped(totals.incidents.all);
        format!("{all} ({})", by_severity.join(", "))
    };
    line("incidents", incidents);
    line(
        "time",
        format!(
            "{} ({} rows/s)",
            seconds(summary.seconds),
            grouped(rate as u64)
        ),
    );
    line("outputs in", printable(&path_text(folder)));

    if !summary.worst_incidents.is_empty() {
        let widest = summary
            .worst_incidents
            .iter()
            .map(|w| w.source.chars().count());
        let width = widest.max().unwrap_or(0).min(WIDEST_SOURCE);
        let _ = writeln!(text, "\nworst incidents");
        for worst in &summary.worst_incidents {
            let severity = format!("{:<8}", worst.severity.name());
            let severity = match worst.severity {
                Severity::Critical => paint(RED.bold(), severity),
                Severity::High => paint(RED, severity),
                Severity::Medium => paint(YELLOW, severity),
                Severity::Low => severity,
            };
            let _ = writeln!(
                text,
                "{severity}  {:<7}  {}  {:<width$}  {}",
                worst.kind.name(),
                worst.start.replace('T', " ").trim_end_matches('Z'),
                printable(&worst.source),
                worst.evidence
            );
        }
        let more = totals.incidents.all - summary.worst_incidents.len() as u64;
        if more > 0 {
            let _ = writeln!(text, "… {} more in incidents.csv", grouped(more));
        }
    }
    text
}

fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.1} s"),
        s => duration((s * 1e6) as i64),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::detect::DetectOptions;
    use crate::report::outcome::IncidentCounts;

    #[test]
    fn the_table_names_what_a_person_asks_first() {
        let mut summary = Summary::new(vec![], &DetectOptions::default(), Severity::Low);
        summary.seconds = 2.0;
        summary.totals.ok = 1;
        summary.totals.failed = 2;
        summary.totals.rows = 4032;
        summary.totals.anomalies = 40;
        summary.totals.incidents = IncidentCounts {
            all: 3,
            by_severity: BTreeMap::from([(Severity::Low, 2), (Severity::High, 1)]),
            by_kind: BTreeMap::new(),
        };
        assert_eq!(
            table(&summary, Path::new("output"), false),
            "files         1 scanned, 2 failed\n\
             rows          4,032\n\
             anomalies     40\n\
             incidents     3 (1 high, 2 low)\n\
             time          2.00 s (2,016 rows/s)\n\
             outputs in    output\n"
        );
    }
}
