//! Labels brought together with scored series: the events as stretches of rows.
//!
//! In: series with their scores, and labels in times. Out: series whose events are rows. Labels that
//! do not fit their series are an error: a measure against the wrong truth looks like any other.

use super::labels::{LabelledEvent, LabelledFile};
use crate::support::calendar::iso_text;
use crate::support::error::{Error, ErrorKind, Result, quoted};

/// A series as a detector left it; all columns have one entry for each row.
#[derive(Debug, Clone, Default)]
pub struct Scored {
    /// Its name: the path of its file, or the end of it.
    pub name: String,
    /// Microseconds since 1970 UTC, in time order; times may recur.
    pub timestamps_us: Vec<i64>,
    /// The values, of which nothing but the period is asked; see [`acf_period`](super::acf_period).
    pub values: Vec<f64>,
    /// Higher is more anomalous; finite. NaN, a row without a score, counts as 0.
    pub scores: Vec<f64>,
    /// The rows that the detector flags, where it has decided.
    pub flagged: Option<Vec<bool>>,
}

/// The rows of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRows {
    /// Its first row.
    pub first: usize,
    /// Its last row, inclusive.
    pub last: usize,
    /// When it starts, in microseconds since 1970 UTC: never after its first row's time.
    pub start_us: i64,
    /// What happened, where the labels tell.
    pub kind: Option<String>,
}

/// A scored series and what is known of it.
#[derive(Debug, Clone)]
pub struct Labelled {
    series: Scored,
    events: Vec<EventRows>,
    in_event: Vec<bool>,
}

/// What becomes of labels whose series is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    /// They are an error.
    Refuse,
    /// They are passed over: labels of a whole benchmark serve a part of it.
    PassOver,
}

impl Labelled {
    /// Maps the events of `labels` to the rows of `series`.
    ///
    /// As the Numenta Anomaly Benchmark does, a bound that is the time of a row is the first row of that time;
    /// any other is moved inwards to the next row, of several of one time to the outermost.
    ///
    /// # Errors
    /// [`ErrorKind::Format`] where an event ends before it starts or has no row, naming the first such event, and
    /// where times go back; [`ErrorKind::ColumnMismatch`] where the columns differ in length.
    pub fn new(mut series: Scored, labels: &LabelledFile) -> Result<Self> {
        check_columns(&series)?;
        let mut in_event = vec![false; series.timestamps_us.len()];
        let mut events = Vec::with_capacity(labels.events.len());
        for (place, event) in labels.events.iter().enumerate() {
            let (first, last) = rows_of(event, &series.timestamps_us)
                .map_err(|why| misfit(&series, place, event, why))?;
            in_event[first..=last].fill(true);
            events.push(EventRows {
                first,
                last,
                start_us: event.start_us,
                kind: event.kind.clone(),
            });
        }
        events.sort_by_key(|event| (event.first, event.last));
        for score in series.scores.iter_mut().filter(|score| score.is_nan()) {
            *score = 0.0;
        }
        Ok(Self {
            series,
            events,
            in_event,
        })
    }

    /// The name of the series.
    pub fn name(&self) -> &str {
        &self.series.name
    }

    /// The number of its rows.
    pub fn rows(&self) -> usize {
        self.in_event.len()
    }

    /// When its rows were taken, in microseconds since 1970 UTC.
    pub fn timestamps_us(&self) -> &[i64] {
        &self.series.timestamps_us
    }

    /// Its values.
    pub fn values(&self) -> &[f64] {
        &self.series.values
    }

    /// Its scores, none of them NaN.
    pub fn scores(&self) -> &[f64] {
        &self.series.scores
    }

    /// The rows that the detector flagged, where it has decided.
    pub fn flagged(&self) -> Option<&[bool]> {
        self.series.flagged.as_deref()
    }

    /// Its events by their rows, first to last.
    pub fn events(&self) -> &[EventRows] {
        &self.events
    }

    /// For each row whether it lies in an event.
    pub fn in_event(&self) -> &[bool] {
        &self.in_event
    }
}

/// Gives each series its labels.
///
/// A label belongs to the series of its name, or else to the one whose path ends in its name or is
/// the end of its name, folder by folder: `edge/a.csv` fits `data/edge/a.csv` and `a.csv`.
///
/// # Errors
/// Those of [`Labelled::new`]; [`ErrorKind::NotFound`] for a series without labels and, unless
/// they are passed over, for labels without a series; [`ErrorKind::Format`] where more than one fits.
pub fn match_labels(
    series: Vec<Scored>,
    labels: &[LabelledFile],
    unmatched: Unmatched,
) -> Result<Vec<Labelled>> {
    let mut used = vec![false; labels.len()];
    let matched = series.into_iter().map(|series| {
        let place = place_of(&series.name, labels)?;
        if std::mem::replace(&mut used[place], true) {
            let why = format!(
                "the labels of {} fit this series and another one; name its folder in the labels",
                quoted(labels[place].file.as_bytes())
            );
            return Err(Error::new(ErrorKind::Format, why).at(&series.name));
        }
        Labelled::new(series, &labels[place])
    });
    let matched = matched.collect::<Result<Vec<_>>>()?;
    let left = labels.iter().zip(&used).find(|&(_, &used)| !used);
    match left {
        Some((label, _)) if unmatched == Unmatched::Refuse => Err(Error::new(
            ErrorKind::NotFound,
            "labelled, but not among the series evaluated",
        )
        .at(&label.file)),
        _ => Ok(matched),
    }
}

fn place_of(name: &str, labels: &[LabelledFile]) -> Result<usize> {
    if let Some(place) = labels.iter().position(|label| label.file == name) {
        return Ok(place);
    }
    let mut fitting = (0..labels.len())
        .filter(|&place| ends_in(name, &labels[place].file) || ends_in(&labels[place].file, name));
    match (fitting.next(), fitting.next()) {
        (Some(place), None) => Ok(place),
        (Some(one), Some(other)) => {
            let [one, other] = [one, other].map(|place| quoted(labels[place].file.as_bytes()));
            let why = format!("the labels of {one} and of {other} fit this series");
            Err(Error::new(ErrorKind::Format, why).at(name))
        }
        (None, _) => Err(Error::new(ErrorKind::NotFound, "has no labels").at(name)),
    }
}

/// Whether the path `long` ends in the folders and name of `short`.
fn ends_in(long: &str, short: &str) -> bool {
    long.strip_suffix(short)
        .is_some_and(|head| head.is_empty() || head.ends_with('/'))
}

fn check_columns(series: &Scored) -> Result<()> {
    let rows = series.timestamps_us.len();
    let flagged = series.flagged.as_ref().map_or(rows, Vec::len);
    for (column, entries) in [
        ("values", series.values.len()),
        ("scores", series.scores.len()),
        ("flags", flagged),
    ] {
        if entries != rows {
            let why = format!("{rows} times, but {entries} {column}");
            return Err(Error::new(ErrorKind::ColumnMismatch, why).at(&series.name));
        }
    }
    let back = series
        .timestamps_us
        .windows(2)
        .position(|pair| pair[1] < pair[0]);
    match back {
        Some(row) => {
            let [before, after] = [row, row + 1].map(|row| iso_text(series.timestamps_us[row]));
            let why = format!("the rows are not in time order: {after} follows {before}");
            Err(Error::new(ErrorKind::Format, why).at(&series.name))
        }
        None => Ok(()),
    }
}

/// First and last row of `event`, or why it has none.
fn rows_of(event: &LabelledEvent, timestamps_us: &[i64]) -> Result<(usize, usize), &'static str> {
    if event.end_us < event.start_us {
        return Err("ends before it starts");
    }
    let first = timestamps_us.partition_point(|&time| time < event.start_us);
    let at_end = timestamps_us.partition_point(|&time| time < event.end_us);
    let end = match timestamps_us.get(at_end) {
        Some(&time) if time == event.end_us => at_end + 1,
        _ => at_end,
    };
    if first < end {
        Ok((first, end - 1))
    } else {
        Err("has no row")
    }
}

fn misfit(series: &Scored, place: usize, event: &LabelledEvent, why: &str) -> Error {
    let span = match (series.timestamps_us.first(), series.timestamps_us.last()) {
        (Some(&first), Some(&last)) => format!("spans {} to {}", iso_text(first), iso_text(last)),
        _ => "is empty".to_owned(),
    };
    let text = format!(
        "event {}, {} to {}, {why}; the series {span}",
        place + 1,
        iso_text(event.start_us),
        iso_text(event.end_us),
    );
    Error::new(ErrorKind::Format, text).at(&series.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::calendar::SECOND_US;

    fn series(name: &str, seconds: &[i64]) -> Scored {
        Scored {
            name: name.into(),
            timestamps_us: seconds.iter().map(|s| s * SECOND_US).collect(),
            values: vec![0.0; seconds.len()],
            scores: vec![0.0; seconds.len()],
            flagged: None,
        }
    }

    fn label(file: &str, seconds: &[(i64, i64)]) -> LabelledFile {
        let event = |&(start, end): &(i64, i64)| LabelledEvent {
            start_us: start * SECOND_US,
            end_us: end * SECOND_US,
            kind: None,
        };
        LabelledFile {
            file: file.into(),
            events: seconds.iter().map(event).collect(),
        }
    }

    fn rows(times: &[i64], event: (i64, i64)) -> (usize, usize) {
        let labelled = Labelled::new(series("a", times), &label("a", &[event])).unwrap();
        (labelled.events()[0].first, labelled.events()[0].last)
    }

    fn names(series: &[&str], labels: &[&str], unmatched: Unmatched) -> Result<usize> {
        let series = series.iter().map(|name| self::series(name, &[1])).collect();
        let labels: Vec<_> = labels.iter().map(|name| label(name, &[])).collect();
        match_labels(series, &labels, unmatched).map(|matched| matched.len())
    }

    #[test]
    fn a_bound_is_the_first_row_of_its_time_or_moves_inwards() {
        let times = [10, 20, 20, 30, 40, 40, 50];
        assert_eq!(rows(&times, (20, 40)), (1, 4));
        assert_eq!(rows(&times, (20, 20)), (1, 1));
        assert_eq!(rows(&times, (11, 45)), (1, 5));
        assert_eq!(rows(&times, (0, 99)), (0, 6));
        assert_eq!(rows(&times, (50, 50)), (6, 6));
        assert_eq!(rows(&times, (25, 30)), (3, 3));
    }

    #[test]
    fn events_are_sorted_and_may_overlap() {
        let labels = label("a", &[(3, 4), (1, 3)]);
        let labelled = Labelled::new(series("a", &[0, 1, 2, 3, 4, 5]), &labels).unwrap();
        let rows: Vec<_> = labelled
            .events()
            .iter()
            .map(|e| (e.first, e.last))
            .collect();
        assert_eq!(rows, [(1, 3), (3, 4)]);
        assert_eq!(labelled.in_event(), [false, true, true, true, true, false]);
    }

    #[test]
    fn an_event_that_does_not_fit_is_named_with_its_times_and_the_span() {
        let fault = |events: &[(i64, i64)]| {
            Labelled::new(series("x/a.csv", &[10, 20]), &label("a.csv", events))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            fault(&[(10, 10), (11, 19), (90, 99)]),
            "x/a.csv: event 2, 1970-01-01T00:00:11Z to 1970-01-01T00:00:19Z, has no row; \
             the series spans 1970-01-01T00:00:10Z to 1970-01-01T00:00:20Z"
        );
        assert_eq!(
            fault(&[(20, 10)]),
            "x/a.csv: event 1, 1970-01-01T00:00:20Z to 1970-01-01T00:00:10Z, ends before it starts; \
             the series spans 1970-01-01T00:00:10Z to 1970-01-01T00:00:20Z"
        );
        assert!(fault(&[(21, 30)]).contains("has no row"));
        let error = Labelled::new(series("a", &[]), &label("a", &[(1, 2)])).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("has no row; the series is empty")
        );
    }

    #[test]
    fn columns_of_unequal_length_and_times_that_go_back_are_errors() {
        let mut short = series("a", &[1, 2]);
        short.scores.pop();
        let error = Labelled::new(short, &label("a", &[])).unwrap_err();
        assert_eq!(error.to_string(), "a: 2 times, but 1 scores");
        let error = Labelled::new(series("a", &[1, 3, 2]), &label("a", &[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a: the rows are not in time order: 1970-01-01T00:00:02Z follows 1970-01-01T00:00:03Z"
        );
    }

    #[test]
    fn a_row_without_a_score_counts_as_zero() {
        let mut scored = series("a", &[1, 2]);
        scored.scores = vec![f64::NAN, 0.5];
        let labelled = Labelled::new(scored, &label("a", &[])).unwrap();
        assert_eq!(labelled.scores(), [0.0, 0.5]);
    }

    #[test]
    fn labels_find_their_series_by_name_or_by_the_end_of_a_path() {
        let refuse = |series: &[&str], labels: &[&str]| names(series, labels, Unmatched::Refuse);
        assert_eq!(
            refuse(&["b/a.csv", "a.csv"], &["a.csv", "b/a.csv"]).unwrap(),
            2
        );
        assert_eq!(refuse(&["data/edge/a.csv"], &["edge/a.csv"]).unwrap(), 1);
        assert_eq!(refuse(&["a.csv"], &["edge/a.csv"]).unwrap(), 1);
        let fault =
            |series: &[&str], labels: &[&str]| refuse(series, labels).unwrap_err().to_string();
        assert_eq!(fault(&["ba.csv"], &["a.csv"]), "ba.csv: has no labels");
        assert_eq!(
            fault(&["a.csv"], &["x/a.csv", "y/a.csv"]),
            "a.csv: the labels of \"x/a.csv\" and of \"y/a.csv\" fit this series"
        );
        assert_eq!(
            fault(&["x/a.csv", "y/a.csv"], &["a.csv"]),
            "y/a.csv: the labels of \"a.csv\" fit this series and another one; name its folder in the labels"
        );
    }

    #[test]
    fn labels_without_a_series_are_refused_or_passed_over() {
        let error = names(&["a"], &["a", "b"], Unmatched::Refuse).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "b: labelled, but not among the series evaluated"
        );
        assert_eq!(names(&["a"], &["a", "b"], Unmatched::PassOver).unwrap(), 1);
    }
}
