//! The settings of a forest, checked once.
//!
//! In: numbers or text from a user. Out: values that every forest can be grown with.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::depth::MAX_TREES;
use crate::support::error::{Error, ErrorKind, Result};

/// How many rows each tree is grown on, drawn without replacement.
///
/// Written as text, a whole number is a count of rows and a number with a point is a share:
///
/// ```
/// use isoscan::forest::SampleSize;
/// assert_eq!("256".parse::<SampleSize>()?, SampleSize::Rows(256));
/// assert_eq!("1.0".parse::<SampleSize>()?, SampleSize::Share(1.0));
/// assert!("0".parse::<SampleSize>().is_err());
/// # Ok::<(), isoscan::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleSize {
    /// This many rows, or all of them where there are fewer. At least 1.
    Rows(usize),
    /// This share of the rows, in (0, 1], rounded down to a whole row but never to none.
    Share(f64),
}

impl SampleSize {
    /// Rows per tree for data of `rows` rows: between 1 and `rows` (0 only for no rows at all).
    pub fn of(self, rows: usize) -> usize {
        match self {
            Self::Rows(count) => count.min(rows),
            Self::Share(share) => ((share * rows as f64) as usize).clamp(rows.min(1), rows),
        }
    }

    /// Returns itself when it is in range.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] for no rows, and for a share outside (0, 1].
    pub fn checked(self) -> Result<Self> {
        match self {
            Self::Rows(0) => Err(Error::new(
                ErrorKind::Setting,
                "sample size 0 is too small: each tree needs at least 1 row",
            )),
            Self::Share(share) if !(share > 0.0 && share <= 1.0) => Err(Error::new(
                ErrorKind::Setting,
                format!(
                    "sample size {share} is outside (0, 1]: with a point it is the share of rows drawn for each tree"
                ),
            )),
            size => Ok(size),
        }
    }
}

impl Default for SampleSize {
    /// 256 rows, the value that the paper recommends.
    fn default() -> Self {
        Self::Rows(256)
    }
}

impl fmt::Display for SampleSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{share:?}"),
        }
    }
}

impl FromStr for SampleSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(count) = text.parse() {
            return Self::Rows(count).checked();
        }
        match text.parse() {
            Ok(share) => Self::Share(share).checked(),
            Err(_) => Err(Error::new(
                ErrorKind::Setting,
                format!(
                    "sample size {:?} is neither a number of rows (256) nor a share of them (0.1)",
                    crate::support::error::printable(text)
                ),
            )),
        }
    }
}

/// The settings that a forest is grown with. The same settings on the same rows give the same
/// scores, bit for bit.
///
/// ```
/// use isoscan::forest::{ForestParams, SampleSize};
/// let params = ForestParams::default();
/// assert_eq!(params.trees_wanted(), None);
/// assert_eq!(params.trees().get(), 200);
/// assert_eq!(params.sample_size(), SampleSize::Rows(256));
/// assert_eq!(params.seed(), 42);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct ForestParams {
    trees: Option<NonZeroUsize>,
    sample_size: SampleSize,
    seed: u64,
}

/// Settings as they were stored, before they are checked.
#[derive(Deserialize)]
struct Unchecked {
    trees: Option<usize>,
    sample_size: SampleSize,
    seed: u64,
}

impl TryFrom<Unchecked> for ForestParams {
    type Error = Error;

    fn try_from(stored: Unchecked) -> Result<Self> {
        match stored.trees {
            Some(trees) => Self::new(trees, stored.sample_size, stored.seed),
            None => Self::without_trees(stored.sample_size, stored.seed),
        }
    }
}

/// Trees of a forest that has to be grown, unless told otherwise. On several columns each one costs time at
/// scoring.
const TREES: NonZeroUsize = NonZeroUsize::new(200).unwrap();

impl ForestParams {
    /// Settings for `trees` trees of `sample_size` rows each, drawn from `seed`.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] when there are no trees or more than 16,777,216 of them, or when
    /// the sample size is out of range.
    pub fn new(trees: usize, sample_size: SampleSize, seed: u64) -> Result<Self> {
        match NonZeroUsize::new(trees) {
            Some(trees) if trees.get() <= MAX_TREES => Ok(Self {
                trees: Some(trees),
                sample_size: sample_size.checked()?,
                seed,
            }),
            _ => Err(Error::new(
                ErrorKind::Setting,
                format!("{trees} trees are outside 1 to {MAX_TREES}"),
            )),
        }
    }

    /// Settings that name no number of trees: on a single column the limit of infinitely many is taken, on several
    /// columns 200 are grown.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] when the sample size is out of range.
    pub fn without_trees(sample_size: SampleSize, seed: u64) -> Result<Self> {
        Ok(Self {
            trees: None,
            sample_size: sample_size.checked()?,
            seed,
        })
    }

    /// The number of trees that was asked for.
    pub fn trees_wanted(&self) -> Option<NonZeroUsize> {
        self.trees
    }

    /// Number of trees of a forest that has to be grown: 200 unless asked for otherwise.
    pub fn trees(&self) -> NonZeroUsize {
        self.trees.unwrap_or(TREES)
    }

    /// Rows per tree.
    pub fn sample_size(&self) -> SampleSize {
        self.sample_size
    }

    /// The number that every random choice derives from.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

impl Default for ForestParams {
    /// No number of trees, samples of 256 rows as the paper has them, seed 42.
    fn default() -> Self {
        Self {
            trees: None,
            sample_size: SampleSize::default(),
            seed: 42,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_rows_and_a_number_with_a_point_is_a_share() {
        assert_eq!("1".parse::<SampleSize>().unwrap(), SampleSize::Rows(1));
        assert_eq!("1.0".parse::<SampleSize>().unwrap(), SampleSize::Share(1.0));
        assert_eq!("0.1".parse::<SampleSize>().unwrap(), SampleSize::Share(0.1));
    }

    #[test]
    fn a_sample_size_survives_being_written_and_read() {
        for size in [
            SampleSize::Rows(256),
            SampleSize::Share(1.0),
            SampleSize::Share(0.25),
        ] {
            assert_eq!(size.to_string().parse::<SampleSize>().unwrap(), size);
        }
    }

    #[test]
    fn a_wrong_sample_size_is_named_in_the_error() {
        for text in ["0", "0.0", "1.5", "-1", "NaN", "inf", "many", ""] {
            let error = text.parse::<SampleSize>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Setting);
            let shown = text.trim_end_matches(".0");
            assert!(error.to_string().contains(shown), "{error}");
        }
    }

    #[test]
    fn a_wrong_number_of_trees_is_named_in_the_error() {
        for trees in [0, MAX_TREES + 1] {
            let error = ForestParams::new(trees, SampleSize::default(), 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Setting);
            assert!(error.to_string().contains(&trees.to_string()));
        }
    }

    #[test]
    fn a_sample_is_never_larger_than_the_data_nor_empty() {
        assert_eq!(SampleSize::Rows(256).of(10), 10);
        assert_eq!(SampleSize::Rows(256).of(0), 0);
        assert_eq!(SampleSize::Share(0.1).of(5), 1);
        assert_eq!(SampleSize::Share(0.1).of(1000), 100);
        assert_eq!(SampleSize::Share(1.0).of(7), 7);
        assert_eq!(SampleSize::Share(0.5).of(0), 0);
    }
}
