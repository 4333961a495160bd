//! Entities as numbers of 64 bits: addresses, ports and statuses as they are, longer things by their place in a
//! pool. Numbers of pooled things hold for one pool only, until it is cleared.

use std::hash::BuildHasher;
use std::net::{Ipv4Addr, Ipv6Addr};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::distinct::{hash_bytes, hash_number};
use crate::format::record::Endpoint;

/// Whom a series is about, for as long as the pool of names lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entity(pub(crate) u64);

const KIND: u32 = 40;
const WHOLE: u64 = 0;
const NONE: u64 = 1 << KIND;
const V4: u64 = 2 << KIND;
const V6: u64 = 3 << KIND;
const NAME: u64 = 4 << KIND;
const NUMBER: u64 = 5 << KIND;
const PAYLOAD: u64 = (1 << KIND) - 1;

/// The text of an entity that the records do not name.
pub(crate) const NONE_TEXT: &str = "(none)";
/// A name longer than this is cut: it comes from whoever sent the packets.
const MAX_NAME: usize = 200;

impl Entity {
    /// The log as a whole; its text is empty.
    pub(crate) const TOTAL: Self = Self(WHOLE);
    /// What a record does not say.
    pub(crate) const UNNAMED: Self = Self(NONE);

    /// A port or a status.
    pub(crate) fn number(number: u16) -> Self {
        Self(NUMBER | u64::from(number))
    }
}

/// Names and long addresses, each kept once.
pub(crate) struct Names {
    bytes: Vec<u8>,
    /// End in `bytes` and hash of each.
    places: Vec<(u32, u32)>,
    lookup: HashTable<u32>,
    state: RandomState,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            places: Vec::new(),
            lookup: HashTable::new(),
            state: RandomState::default(),
        }
    }

    /// Forgets all names.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        self.lookup.clear();
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + 8 * self.places.capacity() + 5 * self.lookup.capacity()
    }

    fn get<'a>(bytes: &'a [u8], places: &[(u32, u32)], number: u32) -> &'a [u8] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { places[number - 1].0 };
        &bytes[start as usize..places[number].0 as usize]
    }

    fn intern(&mut self, name: &[u8]) -> u64 {
        let Self {
            bytes,
            places,
            lookup,
            state,
        } = self;
        let hash = state.hash_one(name);
        let same = |&number: &u32| Self::get(bytes, places, number) == name;
        if let Some(&number) = lookup.find(hash, same) {
            return u64::from(number);
        }
        let number = places.len() as u32;
        bytes.extend_from_slice(name);
        places.push((bytes.len() as u32, hash_bytes(name)));
        lookup.insert_unique(hash, number, |&number| {
            state.hash_one(Self::get(bytes, places, number))
        });
        u64::from(number)
    }

    /// The entity of an end of a record.
    #[inline]
    pub(crate) fn endpoint(&mut self, endpoint: Endpoint<'_>) -> Entity {
        match endpoint {
            Endpoint::V4(address) => Entity(V4 | u64::from(u32::from_be_bytes(address))),
            Endpoint::V6(address) => Entity(V6 | self.intern(&address)),
            Endpoint::Name(name) => self.name(name),
            Endpoint::Unknown => Entity::UNNAMED,
        }
    }

    /// The entity of a name; an empty one is what a record does not say.
    pub(crate) fn name(&mut self, name: &[u8]) -> Entity {
        if name.is_empty() {
            return Entity::UNNAMED;
        }
        if name.len() <= MAX_NAME {
            return Entity(NAME | self.intern(name));
        }
        let mut end = MAX_NAME;
        while end > MAX_NAME - 4 && name[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        let mut cut = name[..end].to_vec();
        cut.extend(format!("~{:016x}", xxhash_rust::xxh3::xxh3_64(name)).bytes());
        Entity(NAME | self.intern(&cut))
    }

    /// A hash by which entities are told apart in distinct counts; the same in every pool.
    #[inline]
    pub(crate) fn hash(&self, entity: Entity) -> u32 {
        let payload = entity.0 & PAYLOAD;
        match entity.0 & !PAYLOAD {
            V6 | NAME => self.places[payload as usize].1,
            _ => hash_number(payload as u32),
        }
    }

    /// Appends the text of an entity.
    pub(crate) fn write_text(&self, entity: Entity, out: &mut Vec<u8>) {
        use std::io::Write;
        let payload = entity.0 & PAYLOAD;
        let pooled = || Self::get(&self.bytes, &self.places, payload as u32);
        // Writing to memory does not fail.
        let _ = match entity.0 & !PAYLOAD {
            WHOLE => Ok(()),
            V4 => write!(out, "{}", Ipv4Addr::from(payload as u32)),
            V6 => match <[u8; 16]>::try_from(pooled()) {
                Ok(address) => write!(out, "{}", Ipv6Addr::from(address)),
                Err(_) => Ok(()),
            },
            NAME => write!(out, "{}", String::from_utf8_lossy(pooled())),
            NUMBER => write!(out, "{payload}"),
            _ => out.write_all(NONE_TEXT.as_bytes()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_have_the_text_that_people_write() {
        let mut names = Names::new();
        let mut text = |endpoint| {
            let entity = names.endpoint(endpoint);
            let mut text = Vec::new();
            names.write_text(entity, &mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(text(Endpoint::V4([192, 0, 2, 7])), "192.0.2.7");
        let mut address = [0; 16];
        address[..2].copy_from_slice(&[0x20, 0x01]);
        address[15] = 1;
        assert_eq!(text(Endpoint::V6(address)), "2001::1");
        assert_eq!(text(Endpoint::Name(b"host-a")), "host-a");
        assert_eq!(text(Endpoint::Unknown), "(none)");
        assert_eq!(text(Endpoint::Name(b"")), "(none)");
    }

    #[test]
    fn a_name_is_kept_once_and_a_long_one_is_cut_but_told_apart() {
        let mut names = Names::new();
        assert_eq!(names.name(b"a"), names.name(b"a"));
        assert_ne!(names.name(b"a"), names.name(b"b"));
        let (long, longer) = ("é".repeat(5000), "é".repeat(5001));
        let (one, other) = (names.name(long.as_bytes()), names.name(longer.as_bytes()));
        assert_ne!(one, other);
        let mut text = Vec::new();
        names.write_text(one, &mut text);
        assert!(text.len() < 220 && !String::from_utf8(text).unwrap().contains('\u{fffd}'));
    }

    #[test]
    fn the_hash_of_an_entity_is_the_same_in_every_pool() {
        let (mut one, mut other) = (Names::new(), Names::new());
        other.name(b"first");
        let (a, b) = (one.name(b"x"), other.name(b"x"));
        assert_eq!(one.hash(a), other.hash(b));
    }
}
