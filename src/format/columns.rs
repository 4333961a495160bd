//! Which columns of a table are wanted.

use super::ReadOptions;
use crate::support::error::{Error, ErrorKind, Result, printable};

/// Names that columns of times have, where they are not called `timestamp`.
const TIME_NAMES: [&str; 8] = [
    "time",
    "ts",
    "_time",
    "datetime",
    "date_time",
    "@timestamp",
    "timestamp_utc",
    "date",
];
/// How many columns an error lists.
const MAX_LISTED: usize = 20;
/// How many characters of them.
const MAX_LISTED_CHARS: usize = 300;

/// The places of the wanted columns.
pub(crate) struct Wanted {
    pub(crate) timestamp: usize,
    pub(crate) values: Vec<usize>,
    is_time_guessed: bool,
    is_value_guessed: bool,
}

impl Wanted {
    /// Names of the value columns.
    pub(crate) fn value_names(&self, names: &[String]) -> Vec<String> {
        let values = self.values.iter();
        values.map(|&at| names[at].trim().to_owned()).collect()
    }

    /// What was guessed, in words.
    pub(crate) fn notes(&self, names: &[String]) -> Vec<String> {
        let name = |at: usize| printable(names[at].trim());
        let time = self.is_time_guessed.then(|| {
            format!(
                "no column is called \"timestamp\": times are taken from \"{}\"",
                name(self.timestamp)
            )
        });
        let value = self.is_value_guessed.then(|| {
            format!(
                "no column is called \"value\": values are taken from \"{}\", the only column of numbers",
                name(self.values[0])
            )
        });
        time.into_iter().chain(value).collect()
    }
}

/// Finds the wanted columns among `names`, without regard to case and surrounding blanks. Where the user has named none,
/// the only column with a usual name of times, and the only other one that `is_numeric`, are taken.
///
/// # Errors
/// [`ErrorKind::Column`] with all columns that are missing, and those that there are.
pub(crate) fn find_columns(
    names: &[String],
    options: &ReadOptions,
    is_numeric: impl Fn(usize) -> bool,
) -> Result<Wanted> {
    let same =
        |name: &String, wanted: &str| name.trim().to_lowercase() == wanted.trim().to_lowercase();
    let find = |wanted: &str| names.iter().position(|name| same(name, wanted));
    let defaults = ReadOptions::default();
    let only = |mut found: Vec<usize>| if found.len() == 1 { found.pop() } else { None };

    let named_time = find(&options.timestamp_column);
    let guessed_time = || {
        let is_time = |at: &usize| TIME_NAMES.iter().any(|name| same(&names[*at], name));
        let is_default = options.timestamp_column == defaults.timestamp_column;
        is_default.then(|| only((0..names.len()).filter(is_time).collect()))?
    };
    let timestamp = named_time.or_else(guessed_time);

    let mut values: Vec<Option<usize>> = options
        .value_columns
        .iter()
        .map(|wanted| find(wanted))
        .collect();
    let mut is_value_guessed = false;
    if values == [None] && options.value_columns == defaults.value_columns && timestamp.is_some() {
        let others = (0..names.len()).filter(|&at| Some(at) != timestamp);
        values = vec![only(others.filter(|&at| is_numeric(at)).collect())];
        is_value_guessed = true;
    }
    let found: Option<Vec<usize>> = values.iter().copied().collect();
    match (timestamp, found) {
        (Some(timestamp), Some(values)) => Ok(Wanted {
            timestamp,
            values,
            is_time_guessed: named_time.is_none(),
            is_value_guessed,
        }),
        (timestamp, _) => {
            let no_time = timestamp.is_none().then_some(&options.timestamp_column);
            let no_value = options.value_columns.iter().zip(&values);
            let no_value: Vec<&String> = no_value
                .filter(|(_, at)| at.is_none())
                .map(|(name, _)| name)
                .collect();
            Err(missing(no_time, &no_value, names))
        }
    }
}

fn missing(time: Option<&String>, values: &[&String], names: &[String]) -> Error {
    let wanted: Vec<String> = time
        .into_iter()
        .chain(values.iter().copied())
        .map(|name| format!("\"{name}\""))
        .collect();
    let flag = match (time, values) {
        (Some(_), []) => "--timestamp-column",
        (None, _) => "--value-column",
        (Some(_), _) => "--timestamp-column and --value-column",
    };
    let shown = names
        .iter()
        .take(MAX_LISTED)
        .map(|name| printable(name.trim()));
    let mut list = shown.collect::<Vec<_>>().join(", ");
    if list.chars().count() > MAX_LISTED_CHARS {
        list = list
            .chars()
            .take(MAX_LISTED_CHARS)
            .chain("…".chars())
            .collect();
    }
    let more = if names.len() > MAX_LISTED {
        ", …"
    } else {
        ""
    };
    let choose = if wanted.len() == 1 {
        "choose one"
    } else {
        "choose"
    };
    Error::new(
        ErrorKind::Column,
        format!(
            "no column {}: the columns are {list}{more} ({choose} with {flag})",
            wanted.join(", no column ")
        ),
    )
}
