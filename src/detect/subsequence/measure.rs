//! One thing that is measured at every row, and what is ordinary for it.

use std::ops::Range;

use super::level::Level;
use super::part::Part;
use super::profile::Profile;

/// A spread below this share of the magnitude counts as zero: in a series that repeats itself exactly, the last
/// digits are not news.
const MIN_SHARE: f64 = 0.01;

/// Smallest spread that is divided by; that of the values is about 1.
const MIN_SPREAD: f64 = 1e-6;

/// What is measured.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Profile(Profile),
    Level(Level),
}

/// A measure, in standard deviations from its mean.
#[derive(Debug, Clone)]
pub(super) struct Measure {
    pub(super) kind: Kind,
    mean: f64,
    spread: f64,
}

impl Measure {
    /// A measure that is not calibrated yet.
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            mean: 0.0,
            spread: 1.0,
        }
    }

    /// Takes `measured` for ordinary from now on: what [`add`](Self::add) gave before.
    pub(super) fn calibrate(&mut self, measured: &[f64]) {
        let count = measured.len().max(1) as f64;
        self.mean = measured.iter().sum::<f64>() / count;
        let squares = measured.iter().map(|x| (x - self.mean) * (x - self.mean));
        let size = match &self.kind {
            Kind::Profile(profile) => profile.size(),
            Kind::Level(_) => 1.0,
        };
        let least = (MIN_SHARE * size).max(MIN_SPREAD);
        self.spread = (squares.sum::<f64>() / count).sqrt().max(least);
    }

    /// The most rows on either side of a row that count.
    pub(super) fn halo(&self) -> usize {
        match &self.kind {
            Kind::Profile(profile) => profile.halo(),
            Kind::Level(level) => level.halo(),
        }
    }

    /// The rows that are read to judge `rows`.
    pub(super) fn reach(&self, rows: &Range<usize>) -> Range<usize> {
        match &self.kind {
            Kind::Profile(profile) => profile.reach(rows),
            Kind::Level(level) => level.reach(rows),
        }
    }

    /// Adds to `out` what is measured at each of `rows`. `part` holds their [`reach`](Self::reach).
    pub(super) fn add(
        &self,
        part: Part<'_>,
        rows: &Range<usize>,
        room: &mut Vec<f64>,
        out: &mut [f64],
    ) {
        room.clear();
        room.resize(out.len(), 0.0);
        match &self.kind {
            Kind::Profile(profile) => profile.measure(part, rows, room),
            Kind::Level(level) => level.measure(part, rows, room),
        }
        for (out, measured) in out.iter_mut().zip(room) {
            *out += (*measured - self.mean) / self.spread;
        }
    }
}
