//! Genres as small numbers: an item keeps two bytes for each of its own.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Genres and their numbers. A number is never given again: a genre that no item has any more keeps its own. At 65,535
/// genres, further ones are left out of their items, and counted.
#[derive(Clone)]
pub(super) struct Genres {
    names: Vec<Box<str>>,
    numbers: HashTable<u16>,
    hasher: FixedState,
    name_bytes: usize,
}

impl Genres {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            names: Vec::new(),
            numbers: HashTable::new(),
            hasher: FixedState::with_seed(seed),
            name_bytes: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The number of a genre, which is added if it is new. `None` at the bound.
    pub(super) fn number(&mut self, name: &str) -> Option<u16> {
        let hash = self.hasher.hash_one(name);
        let (names, hasher) = (&self.names, &self.hasher);
        let is = |number: &u16| {
            names
                .get(usize::from(*number))
                .is_some_and(|one| **one == *name)
        };
        if let Some(number) = self.numbers.find(hash, is) {
            return Some(*number);
        }
        let number = u16::try_from(names.len())
            .ok()
            .filter(|number| *number < u16::MAX)?;
        let rehash =
            |number: &u16| hasher.hash_one(names.get(usize::from(*number)).map_or("", |one| one));
        self.numbers.insert_unique(hash, number, rehash);
        self.names.push(name.into());
        self.name_bytes += name.len();
        Some(number)
    }

    /// The genre of a number.
    pub(super) fn name(&self, number: u16) -> Option<&str> {
        self.names.get(usize::from(number)).map(|name| &**name)
    }

    /// Bytes on the heap, without what the allocator adds.
    pub(super) fn bytes(&self) -> usize {
        self.name_bytes
            + self.names.capacity() * size_of::<Box<str>>()
            + self.numbers.allocation_size()
    }
}
