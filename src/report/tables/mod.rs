//! Rows of anomalies, incidents and scores as CSV and parquet.
//!
//! Numbers are written as the shortest text that reads back as the same `f64`. The combined tables are
//! written series by series, so that their size costs no memory.

mod anomalies;
mod cells;
mod combined;
mod incidents;
mod parquet;
mod scores;

pub use self::anomalies::{AnomaliesOfSeries, AnomalyTable, write_anomalies_csv};
pub use self::incidents::IncidentTable;
pub use self::scores::ScoresOfSeries;

/// Names of the value columns in outputs: a single one is `value`, whatever the input calls it.
pub fn value_names(columns: &[String]) -> Vec<String> {
    match columns {
        [_] => vec!["value".to_owned()],
        several => {
            const TAKEN: [&str; 13] = [
                "source",
                "timestamp",
                "anomaly",
                "score",
                "direction",
                "column",
                "median",
                "threshold",
                "value",
                "expected",
                "ratio",
                "deviation",
                "novelty",
            ];
            let mut names: Vec<String> = Vec::new();
            for column in several {
                let mut name = column.clone();
                while TAKEN.contains(&name.as_str()) || names.contains(&name) {
                    name.push('_');
                }
                names.push(name);
            }
            names
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_columns_keep_their_names_unless_there_is_one_or_a_name_is_taken() {
        let names = |columns: &[&str]| {
            value_names(&columns.iter().map(|&c| c.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(names(&["bytes"]), ["value"]);
        assert_eq!(
            names(&["bytes", "score", "bytes"]),
            ["bytes", "score_", "bytes_"]
        );
    }
}
