//! What is known of one entity in one bucket.

use super::distinct::Distinct;
use super::key::{COUNTS, IN, Measure, OUT, Place, SUMS};

/// The sums and counts of one entity in one bucket of time.
///
/// A cell in which everything is zero comes from no record: it says that the exporter lost what happened then.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cell {
    /// Number of the bucket: its start is this many buckets after 1970-01-01 UTC.
    pub(crate) bucket: i64,
    pub(crate) sums: [u64; SUMS],
    pub(crate) distinct: [Distinct; COUNTS],
}

/// The largest value of a measure: tables hold signed integers.
const MAX_VALUE: u64 = i64::MAX as u64;

impl Cell {
    /// A cell of unknown content.
    pub(crate) fn new(bucket: i64) -> Self {
        Self {
            bucket,
            ..Self::default()
        }
    }

    /// Whether the exporter lost what happened in this bucket.
    pub(crate) fn is_unknown(&self) -> bool {
        self.sums == [0; SUMS] && self.distinct.iter().all(Distinct::is_empty)
    }

    /// Adds `other` of the same entity and bucket. Sums saturate, so that the order makes no difference.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.saturating_add(more);
        }
        for (ours, theirs) in self.distinct.iter_mut().zip(&other.distinct) {
            ours.merge(theirs);
        }
    }

    /// The value of a measure.
    pub(crate) fn value(&self, measure: Measure) -> u64 {
        let value = match measure.place() {
            Place::Sum(place) => self.sums[place],
            Place::Both => self.sums[OUT].saturating_add(self.sums[IN]),
            Place::Distinct(place) => self.distinct[place].count(),
        };
        value.min(MAX_VALUE)
    }

    /// Memory beyond the value itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.distinct.iter().map(Distinct::heap_bytes).sum()
    }
}

/// Sorts the cells of one entity by time and joins those of the same bucket.
pub(crate) fn sort_and_join(cells: &mut Vec<Cell>) {
    if cells.is_sorted_by(|a, b| a.bucket < b.bucket) {
        return;
    }
    cells.sort_by_key(|cell| cell.bucket);
    cells.dedup_by(|later, kept| {
        let same = later.bucket == kept.bucket;
        if same {
            kept.merge(later);
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_the_same_bucket_are_joined() {
        let cell = |bucket, bytes| Cell {
            sums: [1, bytes, 0, 0, 0],
            ..Cell::new(bucket)
        };
        let mut cells = vec![cell(3, 5), cell(-1, 1), cell(3, 7)];
        sort_and_join(&mut cells);
        let found: Vec<(i64, u64, u64)> = cells
            .iter()
            .map(|cell| {
                (
                    cell.bucket,
                    cell.value(Measure::Flows),
                    cell.value(Measure::Bytes),
                )
            })
            .collect();
        assert_eq!(found, [(-1, 1, 1), (3, 2, 12)]);
    }

    #[test]
    fn a_cell_without_records_is_unknown_until_it_has_one() {
        let mut cell = Cell::new(0);
        assert!(cell.is_unknown());
        cell.merge(&Cell {
            sums: [1, 0, 0, 0, 0],
            ..Cell::new(0)
        });
        assert!(!cell.is_unknown());
    }
}
