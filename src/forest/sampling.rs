//! Which rows each tree is grown on.
//!
//! In: a number of rows and the settings. Out: for every tree its rows, each subset of the sample
//! size equally likely, and for data too large to hold the list of rows that are needed at all.
//!
//! There are two ways to draw. Small data is *dealt*: the rows are handed out like cards, a fresh
//! pack begun when the last is used up, so that over a group of trees every row serves equally
//! often, give or take one. A single tree cannot tell: its rows are still a uniformly random
//! subset, drawn without replacement. But the forest as a whole depends less on the luck of the
//! draw, and two seeds agree better. In large data hardly any row serves twice, and each tree
//! draws its rows by number, independently of the others.

use rayon::prelude::*;

use super::params::ForestParams;
use crate::support::error::{Error, ErrorKind, Result};
use crate::support::radix;
use crate::support::random::{Purpose, Stream};

/// Up to this many rows are always dealt, which costs at least one look at every 64 rows for each
/// tree; beyond, only if all trees together draw each row several times.
const DEALT_ROWS: usize = 1 << 16;

/// The fewest trees that are dealt from the same packs of rows, one after the other.
const GROUP: usize = 32;

/// The rows of every tree of a forest, as a rule: nothing is drawn yet.
#[derive(Debug, Clone)]
pub(super) struct Sampler {
    pub(super) rows: usize,
    pub(super) size: usize,
    pub(super) trees: usize,
    seed: u64,
}

impl Sampler {
    /// The rule for data of `rows` rows.
    ///
    /// # Errors
    /// [`ErrorKind::NoUsableRow`] without a row.
    pub(super) fn new(rows: usize, params: &ForestParams) -> Result<Self> {
        if rows == 0 {
            return Err(Error::new(
                ErrorKind::NoUsableRow,
                "a forest needs at least 1 row, found 0",
            ));
        }
        Ok(Self {
            rows,
            size: params.sample_size().of(rows),
            trees: params.trees().get(),
            seed: params.seed(),
        })
    }

    /// The random stream of tree number `tree` for `purpose`.
    pub(super) fn stream(&self, purpose: Purpose, tree: usize) -> Stream {
        Stream::new(self.seed, purpose, tree as u64)
    }

    /// Whether the rows are dealt rather than drawn by number.
    pub(super) fn deals(&self) -> bool {
        self.rows <= DEALT_ROWS || self.rows <= self.trees.saturating_mul(self.size) / 4
    }

    /// How many consecutive trees share their packs of rows: enough for a whole pack, unless that
    /// would leave too few groups to share out between threads.
    fn group(&self) -> usize {
        let pack = self.rows.div_ceil(self.size);
        pack.min(self.trees / 8).max(GROUP)
    }

    /// Number of groups of trees; the trees of one group have to be dealt in order.
    pub(super) fn groups(&self) -> usize {
        self.trees.div_ceil(self.group())
    }

    /// The rows of each tree of group `number`, in tree order.
    pub(super) fn deal(&self, number: usize, mut tree: impl FnMut(usize, &Subset)) {
        let first = number * self.group();
        let mut dealer = Dealer::new(
            self.rows,
            self.size,
            Stream::new(self.seed, Purpose::Rows, number as u64),
        );
        for number in first..(first + self.group()).min(self.trees) {
            tree(number, dealer.next());
        }
    }

    /// The rows of tree number `tree`, drawn by number, in the order drawn, into `rows`.
    pub(super) fn draw(&self, tree: usize, rows: &mut Vec<u64>, seen: &mut Seen) {
        let mut stream = self.stream(Purpose::Rows, tree);
        rows.clear();
        seen.clear(self.size);
        while rows.len() < self.size {
            let row = stream.below(self.rows as u64);
            if seen.insert(row) {
                rows.push(row);
            }
        }
    }
}

/// A set of row numbers, to notice a row that was drawn before: open addressing, at most half full.
#[derive(Debug, Default)]
pub(super) struct Seen {
    slots: Vec<u64>,
}

impl Seen {
    const FREE: u64 = u64::MAX;

    fn clear(&mut self, most: usize) {
        self.slots.clear();
        self.slots
            .resize((2 * most).next_power_of_two(), Self::FREE);
    }

    #[inline]
    fn insert(&mut self, row: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut slot = (row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        loop {
            match self.slots[slot] {
                Self::FREE => {
                    self.slots[slot] = row;
                    return true;
                }
                taken if taken == row => return false,
                _ => slot = (slot + 1) & mask,
            }
        }
    }
}

/// A set of the numbers below a bound, one bit each.
#[derive(Debug, Clone)]
pub(super) struct Subset {
    words: Vec<u64>,
    bound: usize,
    count: usize,
}

impl Subset {
    fn empty(bound: usize) -> Self {
        Self {
            // One word more than needed, so that the bound itself has a place too.
            words: vec![0; bound / 64 + 1],
            bound,
            count: 0,
        }
    }

    fn full(bound: usize) -> Self {
        let mut all = Self::empty(bound);
        all.words.fill(u64::MAX);
        if let Some(last) = all.words.last_mut() {
            *last = (1 << (bound % 64)) - 1;
        }
        all.count = bound;
        all
    }

    /// The number that all members are below.
    pub(super) fn bound(&self) -> usize {
        self.bound
    }

    #[inline]
    fn has(&self, number: usize) -> bool {
        self.words[number / 64] >> (number % 64) & 1 == 1
    }

    #[inline]
    fn flip(&mut self, number: usize) {
        self.words[number / 64] ^= 1 << (number % 64);
    }

    /// Removes the members of `others`, all of which it has.
    fn remove(&mut self, others: &Self) {
        for (left, taken) in self.words.iter_mut().zip(&others.words) {
            *left &= !taken;
        }
        self.count -= others.count;
    }

    /// How many members the words before each word have, into `before`.
    pub(super) fn count_words(&self, before: &mut Vec<u32>) {
        before.clear();
        let mut count = 0;
        for word in &self.words {
            before.push(count);
            count += word.count_ones();
        }
    }

    /// How many members are below `number`, which is at most the bound; `before` is what
    /// [`count_words`](Self::count_words) found.
    #[inline]
    pub(super) fn below(&self, number: u32, before: &[u32]) -> u32 {
        let word = number as usize / 64;
        before[word] + (self.words[word] & ((1 << (number % 64)) - 1)).count_ones()
    }

    /// The members in ascending order, into `members`.
    pub(super) fn list(&self, members: &mut Vec<u32>) {
        members.clear();
        for (i, &word) in self.words.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                members.push(i as u32 * 64 + left.trailing_zeros());
                left &= left - 1;
            }
        }
    }
}

/// Deals rows to one tree after another from packs that hold each row once.
///
/// The rows of each tree are a uniformly random subset, whatever the trees before it had: what is
/// left of a pack is itself a uniformly random set. If it is too small for a tree, all of it is
/// taken and the rest is drawn from the other rows, which then are missing from the new pack; by
/// symmetry no subset is more likely than another.
struct Dealer {
    size: usize,
    stream: Stream,
    pack: Pack,
    hand: Subset,
}

/// The rows of the current pack that no tree has had yet.
enum Pack {
    /// As a set, which is quick to split if trees take a large share of the rows.
    Set(Subset),
    /// As all rows in some order, from the given place on.
    Order(Vec<u32>, usize),
}

impl Dealer {
    fn new(rows: usize, size: usize, stream: Stream) -> Self {
        let pack = if rows <= 16 * size {
            Pack::Set(Subset::full(rows))
        } else {
            Pack::Order((0..rows as u32).collect(), 0)
        };
        Self {
            size,
            stream,
            pack,
            hand: Subset::empty(rows),
        }
    }

    /// The rows of the next tree.
    fn next(&mut self) -> &Subset {
        match &mut self.pack {
            Pack::Set(pack) if self.size == pack.bound => self.hand.clone_from(pack),
            Pack::Set(pack) => deal_from_set(&mut self.stream, pack, self.size, &mut self.hand),
            Pack::Order(order, dealt) => {
                deal_from_order(&mut self.stream, order, dealt, self.size, &mut self.hand);
            }
        }
        &self.hand
    }
}

fn deal_from_set(stream: &mut Stream, pack: &mut Subset, size: usize, hand: &mut Subset) {
    if pack.count >= size {
        draw(stream, pack, size, hand);
        pack.remove(hand);
        return;
    }
    let rest = pack.clone();
    *pack = Subset::full(pack.bound);
    pack.remove(&rest);
    draw(stream, pack, size - rest.count, hand);
    *pack = Subset::full(pack.bound);
    pack.remove(hand);
    for (taken, last) in hand.words.iter_mut().zip(&rest.words) {
        *taken |= last;
    }
    hand.count = size;
}

fn deal_from_order(
    stream: &mut Stream,
    order: &mut [u32],
    dealt: &mut usize,
    size: usize,
    hand: &mut Subset,
) {
    let rows = order.len();
    let rest = (rows - *dealt).min(size);
    if rest < size {
        order.rotate_left(*dealt);
        *dealt = 0;
    }
    // What is left of a pack is taken as it is; all else is drawn as in shuffling.
    let drawn = if rest < size { rest } else { 0 };
    for next in *dealt + drawn..*dealt + size {
        let other = next + stream.below((rows - next) as u64) as usize;
        order.swap(next, other);
    }
    hand.words.fill(0);
    for &row in &order[*dealt..*dealt + size] {
        hand.flip(row as usize);
    }
    hand.count = size;
    if rest < size {
        // The last rows of the old pack are again to be dealt in the new one.
        order[..size].rotate_left(rest);
        *dealt = size - rest;
    } else {
        *dealt += size;
    }
}

/// Sets `hand` to `count` members of `from`, each such subset equally likely.
///
/// Each member is first taken with about the right probability, 64 at a time; then members are
/// added or dropped at random until the count fits. Neither step prefers any member, so the result
/// is uniform over the subsets of that size.
fn draw(stream: &mut Stream, from: &Subset, count: usize, hand: &mut Subset) {
    debug_assert!(count <= from.count);
    hand.count = 0;
    let share = count as f64 / from.count as f64;
    let digits = ((share * 256.0).round() as u32).min(255);
    for (taken, &offered) in hand.words.iter_mut().zip(&from.words) {
        *taken = coins(stream, digits) & offered;
        hand.count += taken.count_ones() as usize;
    }
    let bound = from.bound as u64;
    while hand.count < count {
        let member = stream.below(bound) as usize;
        if from.has(member) && !hand.has(member) {
            hand.flip(member);
            hand.count += 1;
        }
    }
    while hand.count > count {
        let member = stream.below(bound) as usize;
        if hand.has(member) {
            hand.flip(member);
            hand.count -= 1;
        }
    }
}

/// 64 coins that each show 1 with probability `digits / 256`.
///
/// From the last binary digit of the probability to the first, OR with a fair coin halves the
/// chance of a 0, AND the chance of a 1, which shifts the digit in.
#[inline]
fn coins(stream: &mut Stream, digits: u32) -> u64 {
    let mut shown = 0;
    for digit in digits.trailing_zeros().min(8)..8 {
        let fair = stream.bits();
        shown = if digits >> digit & 1 == 1 {
            shown | fair
        } else {
            shown & fair
        };
    }
    shown
}

/// The rows that a forest needs of data that is too large to hold.
///
/// Draw a plan for the number of rows, read just those rows, and fit the forest with
/// `fit_gathered`: the result is the same, bit for bit, as fitting on all rows.
///
/// ```
/// use isoscan::forest::{ForestParams, UnivariateForest, SamplePlan};
/// let values: Vec<f64> = (0..500_000).map(|i| f64::from(i % 1009)).collect();
/// let params = ForestParams::default();
/// let plan = SamplePlan::draw(values.len(), &params)?;
/// let gathered: Vec<f64> = plan.rows().iter().map(|&row| values[row as usize]).collect();
/// let from_gathered = UnivariateForest::fit_gathered(&plan, &gathered, &params)?;
/// let from_all = UnivariateForest::fit(&values, &params)?;
/// assert_eq!(from_gathered.score(7.0), from_all.score(7.0));
/// # Ok::<(), isoscan::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SamplePlan {
    sampler: Sampler,
    params: ForestParams,
    rows: Vec<u64>,
    /// The rows drawn, tree after tree, as places in `rows`; empty when all rows are dealt.
    places: Vec<usize>,
}

impl SamplePlan {
    /// The plan for data of `rows` rows: at most `trees * sample size` of them, or all if they
    /// are few.
    ///
    /// # Errors
    /// [`ErrorKind::NoUsableRow`] without a row.
    pub fn draw(rows: usize, params: &ForestParams) -> Result<Self> {
        let sampler = Sampler::new(rows, params)?;
        if sampler.deals() {
            return Ok(Self {
                sampler,
                params: *params,
                rows: (0..rows as u64).collect(),
                places: Vec::new(),
            });
        }
        let drawn = sampler.trees * sampler.size;
        let mut order = vec![(0, 0); drawn];
        order
            .par_chunks_mut(sampler.size)
            .enumerate()
            .for_each_init(
                || (Vec::new(), Seen::default()),
                |(list, seen), (tree, order)| {
                    sampler.draw(tree, list, seen);
                    for (i, (order, &row)) in order.iter_mut().zip(&*list).enumerate() {
                        *order = (row, tree * sampler.size + i);
                    }
                },
            );
        radix::sort_by_key(&mut order, |&(row, _)| row);
        let mut rows = Vec::with_capacity(drawn);
        let mut places = vec![0; drawn];
        for (row, draw) in order {
            if rows.last() != Some(&row) {
                rows.push(row);
            }
            places[draw] = rows.len() - 1;
        }
        Ok(Self {
            sampler,
            params: *params,
            rows,
            places,
        })
    }

    /// Checks that the plan was drawn with these settings.
    pub(super) fn check(&self, params: &ForestParams) -> Result<()> {
        if self.params == *params {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Setting,
            format!(
                "the sample was planned for {:?}, the forest for {params:?}",
                self.params
            ),
        ))
    }

    pub(super) fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// The row numbers to read, ascending, each once, counted from 0.
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// The places in [`rows`](Self::rows) of the rows of tree `tree`.
    pub(super) fn places(&self, tree: usize) -> &[usize] {
        &self.places[tree * self.sampler.size..][..self.sampler.size]
    }
}

#[cfg(test)]
mod tests {
    use super::super::params::SampleSize;
    use super::*;

    fn sampler(rows: usize, size: usize, trees: usize) -> Sampler {
        let params = ForestParams::new(trees, SampleSize::Rows(size), 7).unwrap();
        Sampler::new(rows, &params).unwrap()
    }

    fn dealt(sampler: &Sampler) -> Vec<Vec<u32>> {
        let mut hands = Vec::new();
        for group in 0..sampler.groups() {
            sampler.deal(group, |tree, hand| {
                assert_eq!(tree, hands.len());
                let mut rows = Vec::new();
                hand.list(&mut rows);
                hands.push(rows);
            });
        }
        hands
    }

    #[test]
    fn every_tree_is_dealt_its_number_of_distinct_rows() {
        for (rows, size) in [
            (1, 1),
            (5, 5),
            (64, 63),
            (65, 2),
            (1000, 256),
            (4032, 256),
            (20_000, 256),
            (4097, 256),
            (17, 1),
            (300, 299),
        ] {
            let hands = dealt(&sampler(rows, size, 70));
            assert_eq!(hands.len(), 70);
            for hand in hands {
                assert_eq!(hand.len(), size, "{rows} rows");
                assert!(hand.windows(2).all(|pair| pair[0] < pair[1]));
                assert!((hand[size - 1] as usize) < rows);
            }
        }
    }

    #[test]
    fn rows_serve_equally_often_within_a_group() {
        let mut served = vec![0_u32; 1000];
        sampler(1000, 256, GROUP).deal(0, |_, hand| {
            let mut rows = Vec::new();
            hand.list(&mut rows);
            for row in rows {
                served[row as usize] += 1;
            }
        });
        // 32 trees of 256 rows serve each of 1000 rows 8.192 times.
        assert!(served.iter().all(|&times| times == 8 || times == 9));
    }

    #[test]
    fn all_subsets_are_equally_likely_in_every_deal() {
        // 2 of 5 rows: 10 subsets. Each deal is looked at by itself: the third one ends a pack.
        let packs: [fn() -> Pack; 2] = [
            || Pack::Set(Subset::full(5)),
            || Pack::Order((0..5).collect(), 0),
        ];
        let mut counts = vec![[0_u32; 25]; 8];
        for (pack, counts) in packs.into_iter().zip(counts.chunks_mut(4)) {
            for number in 0..20_000 {
                let mut dealer = Dealer::new(5, 2, Stream::new(1, Purpose::Rows, number));
                dealer.pack = pack();
                for count in counts.iter_mut() {
                    let mut rows = Vec::new();
                    dealer.next().list(&mut rows);
                    count[(rows[0] * 5 + rows[1]) as usize] += 1;
                }
            }
        }
        for count in counts {
            let seen: Vec<u32> = count.into_iter().filter(|&c| c > 0).collect();
            assert_eq!(seen.len(), 10);
            // Standard deviation 42: five of them on either side.
            assert!(seen.iter().all(|&c| c.abs_diff(2000) < 212), "{seen:?}");
        }
    }

    #[test]
    fn coins_show_ones_at_their_rate() {
        let mut stream = Stream::new(3, Purpose::Rows, 0);
        for digits in [0, 1, 66, 128, 200, 255] {
            let ones: u32 = (0..4000)
                .map(|_| coins(&mut stream, digits).count_ones())
                .sum();
            let expected = 256_000.0 * f64::from(digits) / 256.0;
            assert!(
                (f64::from(ones) - expected).abs() < 1300.0,
                "{digits}: {ones}"
            );
        }
    }

    #[test]
    fn a_plan_lists_each_row_once_in_order_and_all_rows_of_small_data() {
        let params = ForestParams::new(100, SampleSize::Rows(256), 1).unwrap();
        let plan = SamplePlan::draw(1_000_000, &params).unwrap();
        assert!(plan.rows().len() <= 25_600 && plan.rows().len() > 25_000);
        assert!(plan.rows().windows(2).all(|pair| pair[0] < pair[1]));
        let small = SamplePlan::draw(3, &params).unwrap();
        assert_eq!(small.rows(), [0, 1, 2]);
        let error = SamplePlan::draw(0, &params).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoUsableRow);
    }

    #[test]
    fn places_lead_to_the_rows_drawn() {
        let params = ForestParams::new(40, SampleSize::Rows(100), 9).unwrap();
        let plan = SamplePlan::draw(1_000_000, &params).unwrap();
        let (mut rows, mut seen) = (Vec::new(), Seen::default());
        for tree in 0..40 {
            plan.sampler.draw(tree, &mut rows, &mut seen);
            let places: Vec<u64> = plan.places(tree).iter().map(|&p| plan.rows()[p]).collect();
            assert_eq!(places, rows);
        }
    }
}
