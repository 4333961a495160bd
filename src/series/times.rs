//! Timestamps of a run of rows, packed.
//!
//! Most logs tick evenly: such a run costs no memory for its times, most others four bytes a row.

/// Timestamps of one chunk, as small as their spacing allows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Times {
    /// `start + i * step`.
    Even { start: i64, step: i64, rows: usize },
    /// `start + offsets[i] * unit`.
    Offsets {
        start: i64,
        unit: i64,
        offsets: Vec<u32>,
    },
    /// No pattern that saves anything.
    Plain(Vec<i64>),
}

/// How the timestamps of a chunk run.
pub(super) struct Order {
    pub(super) ascending: bool,
    pub(super) first: i64,
    pub(super) least: i64,
    pub(super) greatest: i64,
}

impl Times {
    pub(super) fn pack(times: Vec<i64>) -> Self {
        let [start, rest @ ..] = times.as_slice() else {
            return Self::Plain(times);
        };
        let start = *start;
        let step = rest.first().map_or(0, |second| second.wrapping_sub(start));
        if times
            .windows(2)
            .all(|pair| pair[1].wrapping_sub(pair[0]) == step)
        {
            return Self::Even {
                start,
                step,
                rows: times.len(),
            };
        }
        let least = times.iter().copied().min().unwrap_or(start);
        let greatest = times.iter().copied().max().unwrap_or(start);
        // Most clocks tick in seconds or milliseconds: the coarsest of these that fits is the unit.
        for unit in [1_000_000, 1_000, 1] {
            let fits = greatest
                .checked_sub(least)
                .is_some_and(|width| width / unit <= i64::from(u32::MAX));
            if fits && times.iter().all(|time| (time - least) % unit == 0) {
                let offsets = times
                    .iter()
                    .map(|time| ((time - least) / unit) as u32)
                    .collect();
                return Self::Offsets {
                    start: least,
                    unit,
                    offsets,
                };
            }
        }
        Self::Plain(times)
    }

    /// Times of `rows` rows that have none: all 0.
    pub(super) fn none(rows: usize) -> Self {
        Self::Even {
            start: 0,
            step: 0,
            rows,
        }
    }

    /// The time of one row.
    pub(super) fn at(&self, row: usize) -> i64 {
        match self {
            Self::Even { start, step, .. } => start + step * row as i64,
            Self::Offsets {
                start,
                unit,
                offsets,
            } => start + unit * i64::from(offsets[row]),
            Self::Plain(times) => times[row],
        }
    }

    /// The step from each time to the next, where it is always the same.
    pub(super) fn even_step(&self) -> Option<i64> {
        match self {
            Self::Even { step, .. } => Some(*step),
            Self::Offsets { .. } | Self::Plain(_) => None,
        }
    }

    /// Writes all times over `out`.
    pub(super) fn write(&self, out: &mut Vec<i64>) {
        out.clear();
        match self {
            Self::Even { start, step, rows } => {
                out.extend((0..*rows as i64).map(|row| start + step * row));
            }
            Self::Offsets {
                start,
                unit,
                offsets,
            } => out.extend(
                offsets
                    .iter()
                    .map(|&offset| start + unit * i64::from(offset)),
            ),
            Self::Plain(times) => out.extend_from_slice(times),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Even { .. } => 0,
            Self::Offsets { offsets, .. } => 4 * offsets.capacity(),
            Self::Plain(times) => 8 * times.capacity(),
        }
    }

    /// Adds the times to `out`, for [`decode`](Self::decode) to read.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let head = |kind: u64, one: i64, other: i64| [kind, one as u64, other as u64];
        let (head, offsets, plain): (_, &[u32], &[i64]) = match self {
            Self::Even { start, step, .. } => (head(0, *start, *step), &[], &[]),
            Self::Offsets {
                start,
                unit,
                offsets,
            } => (head(1, *start, *unit), offsets, &[]),
            Self::Plain(times) => (head(2, 0, 0), &[], times),
        };
        out.extend(head.iter().flat_map(|word| word.to_le_bytes()));
        out.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        out.extend(plain.iter().flat_map(|time| time.to_le_bytes()));
    }

    /// Reads the times of `rows` rows off the front of `bytes`; returns what is behind them.
    pub(super) fn decode(bytes: &[u8], rows: usize) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_at_checked(24)?;
        let mut head = words(head);
        let (kind, one, other) = (head.next()?, head.next()? as i64, head.next()? as i64);
        match kind {
            0 => {
                let times = Self::Even {
                    start: one,
                    step: other,
                    rows,
                };
                Some((times, rest))
            }
            1 => {
                let (offsets, rest) = rest.split_at_checked(4 * rows)?;
                let (offsets, _) = offsets.as_chunks::<4>();
                let times = Self::Offsets {
                    start: one,
                    unit: other,
                    offsets: offsets
                        .iter()
                        .map(|bytes| u32::from_le_bytes(*bytes))
                        .collect(),
                };
                Some((times, rest))
            }
            2 => {
                let (times, rest) = rest.split_at_checked(8 * rows)?;
                Some((
                    Self::Plain(words(times).map(|word| word as i64).collect()),
                    rest,
                ))
            }
            _ => None,
        }
    }

    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Even { rows, .. } => *rows,
            Self::Offsets { offsets, .. } => offsets.len(),
            Self::Plain(times) => times.len(),
        }
    }

    pub(super) fn order(&self) -> Order {
        fn of(times: impl Iterator<Item = i64> + Clone) -> Order {
            let first = times.clone().next().unwrap_or_default();
            Order {
                ascending: times.clone().is_sorted(),
                first,
                least: times.clone().min().unwrap_or_default(),
                greatest: times.max().unwrap_or_default(),
            }
        }
        match self {
            Self::Even { start, step, rows } => {
                let end = start + step * (*rows as i64 - 1);
                Order {
                    ascending: *step >= 0,
                    first: *start,
                    least: *start.min(&end),
                    greatest: *start.max(&end),
                }
            }
            Self::Offsets {
                start,
                unit,
                offsets,
            } => of(offsets
                .iter()
                .map(|&offset| start + unit * i64::from(offset))),
            Self::Plain(times) => of(times.iter().copied()),
        }
    }
}

/// The little-endian words in `bytes`.
pub(super) fn words(bytes: &[u8]) -> impl ExactSizeIterator<Item = u64> + '_ {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word))
}
