//! How many different things were seen: exact while few, a HyperLogLog sketch beyond.
//!
//! In: hashes of 32 bits. The state is a pure function of the set of hashes: neither their order nor how often
//! one comes nor how sets were split and merged makes a difference, to the byte.

/// Bits of a hash that choose a register.
const INDEX_BITS: u32 = 12;
/// Registers of a sketch: the relative standard error is `1.04 / sqrt(4096)`, 1.6 %.
const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of a hash whose leading zeros are counted.
const RANK_BITS: usize = 32 - INDEX_BITS as usize;
/// A set larger than this becomes a sketch, which is no larger than such a set.
const MAX_EXACT: usize = REGISTERS / 4;
/// Hashes kept without memory of their own.
const INLINE: usize = 5;

/// The different things seen so far.
#[derive(Debug, Clone)]
pub(crate) struct Distinct(State);

#[derive(Debug, Clone)]
enum State {
    /// Ascending hashes, zeros behind them.
    Few { len: u8, hashes: [u32; INLINE] },
    /// Ascending hashes, and room for more.
    Set { len: u32, hashes: Box<[u32]> },
    /// For each register the greatest rank of its hashes.
    Sketch(Box<[u8; REGISTERS]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self(State::Few {
            len: 0,
            hashes: [0; INLINE],
        })
    }
}

impl PartialEq for Distinct {
    /// Whether both have seen the same; room for more makes no difference.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (State::Sketch(ours), State::Sketch(theirs)) => ours == theirs,
            _ => self.exact() == other.exact(),
        }
    }
}

/// A hash of 32 bits that maps different numbers to different hashes, so that counts of few are exact.
///
/// Source: Chris Wellons, "Prospecting for Hash Functions", 2018, `lowbias32`.
#[inline]
pub(crate) fn hash_number(number: u32) -> u32 {
    let mut x = number;
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// A hash of 32 bits of any bytes.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u32 {
    (xxhash_rust::xxh3::xxh3_64(bytes) >> 32) as u32
}

/// Puts `hash` into the first `len` of `hashes`, which ascend, unless it is there or there is no room.
/// Returns the new length, or `None` where there is no room.
#[inline]
fn insert_sorted(hashes: &mut [u32], len: usize, hash: u32) -> Option<usize> {
    let place = if len <= 8 {
        hashes[..len].iter().take_while(|&&h| h < hash).count()
    } else {
        hashes[..len].partition_point(|&h| h < hash)
    };
    if place < len && hashes[place] == hash {
        return Some(len);
    }
    if len == hashes.len() {
        return None;
    }
    hashes.copy_within(place..len, place + 1);
    hashes[place] = hash;
    Some(len + 1)
}

fn register(registers: &mut [u8; REGISTERS], hash: u32) {
    let rest = hash << INDEX_BITS;
    let rank = rest.leading_zeros().min(RANK_BITS as u32) as u8 + 1;
    let place = &mut registers[(hash >> RANK_BITS) as usize];
    *place = (*place).max(rank);
}

impl Distinct {
    /// Adds what has this hash.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u32) {
        match &mut self.0 {
            State::Few { len, hashes } => {
                if let Some(more) = insert_sorted(hashes, usize::from(*len), hash) {
                    *len = more as u8;
                    return;
                }
            }
            State::Set { len, hashes } => {
                if let Some(more) = insert_sorted(hashes, *len as usize, hash) {
                    *len = more as u32;
                    return;
                }
            }
            State::Sketch(registers) => {
                register(registers, hash);
                return;
            }
        }
        self.grow();
        self.insert(hash);
    }

    /// Makes room in a set that is full.
    #[cold]
    fn grow(&mut self) {
        let full = self.exact().unwrap_or_default();
        let len = full.len();
        self.0 = if len >= MAX_EXACT {
            let mut registers = Box::new([0; REGISTERS]);
            for &hash in full {
                register(&mut registers, hash);
            }
            State::Sketch(registers)
        } else {
            let mut hashes = vec![0; (2 * (len + 1)).next_power_of_two().min(MAX_EXACT)];
            hashes[..len].copy_from_slice(full);
            State::Set {
                len: len as u32,
                hashes: hashes.into_boxed_slice(),
            }
        };
    }

    /// The hashes, ascending, while they are kept one by one.
    fn exact(&self) -> Option<&[u32]> {
        match &self.0 {
            State::Few { len, hashes } => Some(&hashes[..usize::from(*len)]),
            State::Set { len, hashes } => Some(&hashes[..*len as usize]),
            State::Sketch(_) => None,
        }
    }

    /// Adds all that `other` has seen.
    pub(crate) fn merge(&mut self, other: &Self) {
        match &other.0 {
            State::Sketch(theirs) => {
                if let Some(hashes) = self.exact() {
                    let mut registers = theirs.clone();
                    for &hash in hashes {
                        register(&mut registers, hash);
                    }
                    self.0 = State::Sketch(registers);
                } else if let State::Sketch(ours) = &mut self.0 {
                    for (ours, theirs) in ours.iter_mut().zip(theirs.iter()) {
                        *ours = (*ours).max(*theirs);
                    }
                }
            }
            _ => {
                for &hash in other.exact().unwrap_or_default() {
                    self.insert(hash);
                }
            }
        }
    }

    /// Whether nothing was seen.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.0, State::Few { len: 0, .. })
    }

    /// How many different things were seen: exact up to 1,024, beyond with a standard error of 1.6 %.
    ///
    /// Source: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6.
    pub(crate) fn count(&self) -> u64 {
        let State::Sketch(registers) = &self.0 else {
            return self.exact().unwrap_or_default().len() as u64;
        };
        let mut ranks = [0u32; RANK_BITS + 2];
        for &rank in registers.iter() {
            ranks[usize::from(rank)] += 1;
        }
        let m = REGISTERS as f64;
        let mut z = m * tau(1.0 - f64::from(ranks[RANK_BITS + 1]) / m);
        for &count in ranks[1..=RANK_BITS].iter().rev() {
            z = 0.5 * (z + f64::from(count));
        }
        z += m * sigma(f64::from(ranks[0]) / m);
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }

    /// Memory beyond the value itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            State::Few { .. } => 0,
            State::Set { hashes, .. } => 4 * hashes.len(),
            State::Sketch(_) => REGISTERS,
        }
    }

    /// Appends the state: nothing for nothing seen; 1 and the hashes; or 2 and the registers.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match (&self.0, self.exact()) {
            (State::Sketch(registers), _) => {
                out.push(2);
                out.extend_from_slice(&registers[..]);
            }
            (_, Some([]) | None) => {}
            (_, Some(hashes)) => {
                out.push(1);
                for hash in hashes {
                    out.extend_from_slice(&hash.to_le_bytes());
                }
            }
        }
    }

    /// Reads what [`write`](Self::write) wrote; `None` where the bytes are no such state.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [] => Some(Self::default()),
            [1, hashes @ ..] => {
                let len = hashes.len() / 4;
                if hashes.len() % 4 != 0 || len == 0 || len > MAX_EXACT {
                    return None;
                }
                let numbers = hashes
                    .chunks_exact(4)
                    .map(|hash| u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]));
                if len <= INLINE {
                    let mut hashes = [0; INLINE];
                    for (place, number) in hashes.iter_mut().zip(numbers) {
                        *place = number;
                    }
                    let ascends = hashes[..len].is_sorted_by(|a, b| a < b);
                    return ascends.then_some(Self(State::Few {
                        len: len as u8,
                        hashes,
                    }));
                }
                let hashes: Box<[u32]> = numbers.collect();
                let ascends = hashes.is_sorted_by(|a, b| a < b);
                ascends.then_some(Self(State::Set {
                    len: len as u32,
                    hashes,
                }))
            }
            [2, registers @ ..] => {
                let registers: Box<[u8; REGISTERS]> = Box::new(registers.try_into().ok()?);
                let highest = registers.iter().max().copied().unwrap_or_default();
                (usize::from(highest) <= RANK_BITS + 1).then_some(Self(State::Sketch(registers)))
            }
            _ => None,
        }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(hashes: impl IntoIterator<Item = u32>) -> Distinct {
        let mut distinct = Distinct::default();
        for hash in hashes {
            distinct.insert(hash);
        }
        distinct
    }

    fn bytes_of(distinct: &Distinct) -> Vec<u8> {
        let mut bytes = Vec::new();
        distinct.write(&mut bytes);
        bytes
    }

    #[test]
    fn counts_are_exact_up_to_1024_and_near_beyond() {
        for count in [0, 1, 5, 6, 100, 1024] {
            assert_eq!(of((0..count).map(hash_number)).count(), u64::from(count));
        }
        // Three standard errors of 1.6 %.
        for count in [1025u32, 5_000, 100_000, 3_000_000] {
            let found = of((0..count).map(hash_number)).count() as f64;
            let error = (found / f64::from(count) - 1.0).abs();
            assert!(error < 0.05, "{count}: {found}");
        }
    }

    #[test]
    fn a_cell_stays_small() {
        assert_eq!(std::mem::size_of::<Distinct>(), 24);
    }

    #[test]
    fn bytes_that_are_no_state_are_refused() {
        for bytes in [
            &[3][..],
            &[1],
            &[1, 0, 0, 0],
            &[1, 2, 0, 0, 0, 1, 0, 0, 0],
            &[2, 0],
        ] {
            assert_eq!(Distinct::read(bytes), None, "{bytes:?}");
        }
        let mut wrong = vec![2; REGISTERS + 1];
        wrong[7] = 99;
        assert_eq!(Distinct::read(&wrong), None);
    }

    proptest! {
        #[test]
        fn order_repetition_and_splits_change_no_byte(
            numbers in prop::collection::vec(0u32..3000, 0..3000),
            cuts in prop::collection::vec(0usize..3000, 0..4),
        ) {
            let hashes: Vec<u32> = numbers.iter().map(|&n| hash_number(n)).collect();
            let whole = bytes_of(&of(hashes.iter().copied()));
            prop_assert_eq!(&bytes_of(&of(hashes.iter().rev().copied().chain(hashes.iter().copied()))), &whole);
            let mut cuts: Vec<usize> = cuts.iter().map(|&cut| cut.min(hashes.len())).collect();
            cuts.extend([0, hashes.len()]);
            cuts.sort_unstable();
            let mut merged = Distinct::default();
            for pair in cuts.windows(2).rev() {
                merged.merge(&of(hashes[pair[0]..pair[1]].iter().copied()));
            }
            prop_assert_eq!(&bytes_of(&merged), &whole);
            let read = Distinct::read(&whole).unwrap();
            prop_assert_eq!(bytes_of(&read), whole);
            prop_assert_eq!(read.count(), merged.count());
        }
    }
}
