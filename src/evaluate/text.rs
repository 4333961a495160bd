//! An evaluation as a table for the terminal.

use std::fmt::Write as _;

use super::nab::{NabScore, PerProfile};
use super::{Alarms, Evaluation, FileEvaluation, KindFound, Totals};
use crate::support::text::{duration, grouped, printable};

/// Files named in the table.
const NAMED: usize = 60;
/// What stands where there is nothing to measure.
const NOTHING: &str = "-";

/// The evaluation as aligned plain text, without escape sequences.
pub fn text(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = overview(&mut text, &evaluation.totals);
    if let Some(nab) = &evaluation.totals.nab {
        let _ = nab_table(&mut text, nab, evaluation.totals.nab_of_alarms);
    }
    if let Some(alarms) = &evaluation.totals.alarms {
        let _ = alarm_lines(&mut text, alarms);
    }
    if evaluation.kinds.iter().any(|one| one.kind.is_some()) {
        let _ = kind_table(&mut text, &evaluation.kinds);
    }
    if evaluation.files.len() > 1 {
        let _ = file_table(&mut text, &evaluation.files);
    }
    text
}

/// The evaluation as JSON, indented, with a line end.
pub fn json(evaluation: &Evaluation) -> String {
    // Strings, numbers and lists alone: nothing in it can fail to become JSON.
    let mut json = serde_json::to_string_pretty(evaluation).unwrap_or_default();
    json.push('\n');
    json
}

fn overview(text: &mut String, totals: &Totals) -> std::fmt::Result {
    let files = grouped(totals.files);
    let with_events = grouped(totals.files_with_events);
    writeln!(text, "{:<14} {files}, {with_events} with events", "files")?;
    writeln!(text, "{:<14} {}", "rows", grouped(totals.rows))?;
    writeln!(text, "{:<14} {}", "events", grouped(totals.events))?;
    if let Some(ranking) = &totals.ranking {
        let mean = match totals.files_with_events {
            1 => String::new(),
            files => format!("  (mean of {} files)", grouped(files)),
        };
        if let Some(vus_pr) = ranking.vus_pr {
            writeln!(text, "{:<14} {vus_pr:.4}{mean}", "VUS-PR")?;
        }
        writeln!(text, "{:<14} {:.4}{mean}", "AUC-PR", ranking.auc_pr)?;
        writeln!(text, "{:<14} {:.4}{mean}", "best F1", ranking.best_f1)?;
    }
    Ok(())
}

fn nab_table(
    text: &mut String,
    best: &PerProfile<NabScore>,
    of_alarms: Option<PerProfile<f64>>,
) -> std::fmt::Result {
    write!(
        text,
        "\n{:<14} {:>8}  {:>10}",
        "NAB score", "best", "threshold"
    )?;
    let own = of_alarms.map(|own| [own.standard, own.low_fp, own.low_fn]);
    writeln!(text, "{}", if own.is_some() { "  at alarms" } else { "" })?;
    let profiles = [
        ("standard", best.standard),
        ("low FP", best.low_fp),
        ("low FN", best.low_fn),
    ];
    for (place, (name, best)) in profiles.into_iter().enumerate() {
        let threshold = match best.threshold.is_finite() {
            true => significant(best.threshold),
            false => "no alarm".to_owned(),
        };
        write!(text, "{name:<14} {:>8.2}  {threshold:>10}", best.score)?;
        if let Some(own) = own {
            write!(text, "  {:>9.2}", own[place])?;
        }
        text.push('\n');
    }
    Ok(())
}

fn alarm_lines(text: &mut String, alarms: &Alarms) -> std::fmt::Result {
    let found = &alarms.events;
    writeln!(
        text,
        "\n{:<14} {} rows",
        "alarms",
        grouped(alarms.flagged_rows)
    )?;
    for (label, share) in [
        ("precision", alarms.precision),
        ("recall", alarms.recall),
        ("F1", alarms.f1),
    ] {
        writeln!(text, "{label:<14} {}", decimal(share))?;
    }
    let percent = match found.event_recall {
        Some(share) => format!(" ({:.1} %)", 100.0 * share),
        None => String::new(),
    };
    let counts = format!("{} of {}", grouped(found.found), grouped(found.events));
    writeln!(text, "{:<14} {counts}{percent}", "events found")?;
    if let Some(seconds) = found.median_time_to_detection_s {
        writeln!(text, "{:<14} {} (median)", "found after", in_words(seconds))?;
    }
    let rate = match alarms.false_alarms_per_10000_rows {
        Some(rate) => format!(" ({rate:.1} in 10,000 rows)"),
        None => String::new(),
    };
    writeln!(
        text,
        "{:<14} {}{rate}",
        "false alarms",
        grouped(alarms.false_alarms)
    )
}

fn kind_table(text: &mut String, kinds: &[KindFound]) -> std::fmt::Result {
    let shown: Vec<String> = kinds
        .iter()
        .map(|one| match &one.kind {
            Some(kind) => printable(kind),
            None => "(no kind)".to_owned(),
        })
        .collect();
    let width = shown
        .iter()
        .map(|kind| kind.chars().count())
        .fold(14, usize::max);
    writeln!(
        text,
        "\n{:<width$} {:>7}  {:>7}  {:>7}  {:>11}",
        "kind of event", "events", "found", "recall", "found after"
    )?;
    for (kind, KindFound { found, .. }) in shown.iter().zip(kinds) {
        let recall = match found.event_recall {
            Some(share) => format!("{:.1} %", 100.0 * share),
            None => NOTHING.to_owned(),
        };
        let after = found.median_time_to_detection_s.map(in_words);
        writeln!(
            text,
            "{kind:<width$} {:>7}  {:>7}  {recall:>7}  {:>11}",
            grouped(found.events),
            grouped(found.found),
            after.as_deref().unwrap_or(NOTHING)
        )?;
    }
    Ok(())
}

fn file_table(text: &mut String, files: &[FileEvaluation]) -> std::fmt::Result {
    let with_volume = files
        .iter()
        .any(|file| file.ranking.is_some_and(|r| r.vus_pr.is_some()));
    let with_alarms = files.iter().any(|file| file.alarms.is_some());
    text.push('\n');
    if with_volume {
        write!(text, "{:>6}  ", "VUS-PR")?;
    }
    write!(text, "{:>6}  {:>7}  ", "AUC-PR", "best F1")?;
    if with_alarms {
        write!(
            text,
            "{:>6}  {:>6}  {:>7}  {:>12}",
            "prec.", "recall", "found", "false alarms"
        )?;
    } else {
        write!(text, "{:>7}", "events")?;
    }
    text.push_str("  file\n");
    for file in files.iter().take(NAMED) {
        if with_volume {
            let vus_pr = file.ranking.and_then(|ranking| ranking.vus_pr);
            write!(text, "{:>6}  ", decimal(vus_pr))?;
        }
        let auc_pr = decimal(file.ranking.map(|ranking| ranking.auc_pr));
        let best_f1 = decimal(file.ranking.map(|ranking| ranking.best_f1));
        write!(text, "{auc_pr:>6}  {best_f1:>7}  ")?;
        if let Some(alarms) = &file.alarms {
            let found = match file.events {
                0 => NOTHING.to_owned(),
                events => format!("{}/{}", grouped(alarms.events.found), grouped(events)),
            };
            let (precision, recall) = (decimal(alarms.precision), decimal(alarms.recall));
            let false_alarms = grouped(alarms.false_alarms);
            write!(
                text,
                "{precision:>6}  {recall:>6}  {found:>7}  {false_alarms:>12}"
            )?;
        } else {
            write!(text, "{:>7}", grouped(file.events))?;
        }
        writeln!(text, "  {}", printable(&file.file))?;
    }
    if files.len() > NAMED {
        writeln!(text, "and {} more", grouped(files.len() - NAMED))?;
    }
    Ok(())
}

fn decimal(share: Option<f64>) -> String {
    share.map_or_else(|| NOTHING.to_owned(), |share| format!("{share:.4}"))
}

/// A threshold with five significant digits, whatever its size.
fn significant(number: f64) -> String {
    let digits = match number.abs() {
        0.0 => 0,
        size if (1e-4..1e5).contains(&size) => (4 - size.log10().floor() as i32).max(0) as usize,
        _ => return format!("{number:.4e}"),
    };
    format!("{number:.digits$}")
}

fn in_words(seconds: f64) -> String {
    duration((seconds * 1e6) as i64)
}

#[cfg(test)]
mod tests {
    use super::super::tests::labelled_kinds;
    use super::super::{Measures, evaluate};
    use super::*;

    #[test]
    fn the_table_tells_the_corpus_the_kinds_and_the_files() {
        let mut scores = vec![0.0; 100];
        for row in [20, 21, 52, 90] {
            scores[row] = 0.75;
        }
        let events = [
            (20, 21, Some("spike")),
            (50, 53, Some("drop")),
            (70, 71, Some("drop")),
        ];
        let corpus = [
            labelled_kinds(&scores, &events),
            labelled_kinds(&scores[30..], &[]),
        ];
        let measures = Measures {
            threshold: Some(0.5),
            volume: false,
        };
        assert_eq!(
            text(&evaluate(&corpus, &measures)),
            "\
files          2, 1 with events
rows           170
events         3
AUC-PR         0.3312
best F1        0.5000

NAB score          best   threshold  at alarms
standard          58.83     0.75000      58.83
low FP            53.33     0.75000      53.33
low FN            61.44     0.75000      61.44

alarms         6 rows
precision      0.5000
recall         0.3750
F1             0.4286
events found   2 of 3 (66.7 %)
found after    1 min (median)
false alarms   3 (176.5 in 10,000 rows)

kind of event   events    found   recall  found after
drop                 2        1   50.0 %        2 min
spike                1        1  100.0 %          0 s

AUC-PR  best F1   prec.  recall    found  false alarms  file
0.3312   0.5000  0.7500  0.3750      2/3             1  a.csv
     -        -  0.0000       -        -             2  a.csv
"
        );
    }

    #[test]
    fn a_corpus_without_alarms_has_shorter_tables() {
        let corpus = [labelled_kinds(&[0.0; 40], &[(20, 21, None)])];
        let measures = Measures {
            threshold: None,
            volume: false,
        };
        assert_eq!(
            text(&evaluate(&corpus, &measures)),
            "\
files          1, 1 with events
rows           40
events         1
AUC-PR         0.0500
best F1        0.0952

NAB score          best   threshold
standard           0.00    no alarm
low FP             0.00    no alarm
low FN             0.00    no alarm
"
        );
    }

    #[test]
    fn thresholds_have_five_digits_at_any_size() {
        let shown = [0.0, 0.8125, -12.5, 123_456.0, 1e-7].map(significant);
        assert_eq!(shown, ["0", "0.81250", "-12.500", "1.2346e5", "1.0000e-7"]);
    }
}
