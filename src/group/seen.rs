//! Which flows of an input were seen before, so that one that is reported twice counts once.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::format::record::Identity;

/// Identities remembered in each of two generations: the last million at least, two million at most. Repeated
/// reports of a flow lie near each other, and memory stays bounded.
const GENERATION: usize = 1 << 20;

/// The flows of one input, told in the order of the input.
pub(crate) struct Seen {
    generation: usize,
    unique: [HashTable<u64>; 2],
    witnessed: [HashTable<(u64, u64)>; 2],
    state: RandomState,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self::with_generation(GENERATION)
    }

    fn with_generation(generation: usize) -> Self {
        Self {
            generation,
            unique: [HashTable::new(), HashTable::new()],
            witnessed: [HashTable::new(), HashTable::new()],
            state: RandomState::default(),
        }
    }

    /// Whether the flow has counted already; if not, it has now.
    #[inline]
    pub(crate) fn is_repeated(&mut self, identity: Identity) -> bool {
        match identity {
            Identity::None => false,
            Identity::Unique(flow) => {
                let hash = self.state.hash_one(flow);
                let known = |table: &HashTable<u64>| table.find(hash, |&f| f == flow).is_some();
                if self.unique.iter().any(known) {
                    return true;
                }
                if self.unique[0].len() >= self.generation {
                    self.unique.swap(0, 1);
                    self.unique[0].clear();
                }
                let state = &self.state;
                self.unique[0].insert_unique(hash, flow, |flow| state.hash_one(flow));
                false
            }
            Identity::Witnessed { flow, witness } => {
                let hash = self.state.hash_one(flow);
                for table in &self.witnessed {
                    // The first to report a flow counts, each time that it does.
                    if let Some((_, first)) = table.find(hash, |entry| entry.0 == flow) {
                        return *first != witness;
                    }
                }
                if self.witnessed[0].len() >= self.generation {
                    self.witnessed.swap(0, 1);
                    self.witnessed[0].clear();
                }
                let state = &self.state;
                self.witnessed[0]
                    .insert_unique(hash, (flow, witness), |entry| state.hash_one(entry.0));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_with_an_identifier_counts_once() {
        let mut seen = Seen::new();
        assert!(!seen.is_repeated(Identity::Unique(1)));
        assert!(!seen.is_repeated(Identity::Unique(2)));
        assert!(seen.is_repeated(Identity::Unique(1)));
        assert!(!seen.is_repeated(Identity::None));
        assert!(!seen.is_repeated(Identity::None));
    }

    #[test]
    fn a_flow_seen_by_another_witness_is_repeated_and_by_the_same_is_not() {
        let mut seen = Seen::new();
        let flow = |flow, witness| Identity::Witnessed { flow, witness };
        assert!(!seen.is_repeated(flow(1, 7)));
        assert!(seen.is_repeated(flow(1, 8)));
        assert!(!seen.is_repeated(flow(1, 7)));
        assert!(!seen.is_repeated(flow(2, 8)));
    }

    #[test]
    fn memory_is_bounded_and_near_repetitions_are_still_told() {
        let mut seen = Seen::with_generation(100);
        for flow in 0..1000 {
            assert!(!seen.is_repeated(Identity::Unique(flow)));
            assert!(seen.is_repeated(Identity::Unique(flow.saturating_sub(99))));
        }
        assert!(seen.unique.iter().all(|table| table.len() <= 100));
        assert!(!seen.is_repeated(Identity::Unique(0)));
    }
}
