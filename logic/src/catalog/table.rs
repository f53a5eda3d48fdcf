//! The catalog's memory: 61 bytes for each item, its id, its title and further fields, and two bytes for each genre.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde_json::value::RawValue;

use super::genres::Genres;
use super::item::{CatalogItem, Item};
use super::settings::CatalogSettings;
use crate::raw_json::RawJson;
use crate::recommend::is_id;

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not known before.
    New,
    /// It was, or was removed, and is as given now.
    Replaced,
    /// The catalog is full, or the id is empty or too long; nothing changed.
    Refused,
}

/// How much a catalog holds, and what it did not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items that are known.
    pub items: usize,
    /// Ids of items that were removed.
    pub removed: usize,
    /// Genres that items have, or had.
    pub genres: usize,
    /// Items refused because the catalog was full, or by their id.
    pub refused: u64,
    /// Items whose further fields were left out, for their length or that of all.
    pub without_fields: u64,
    /// Genres left out of items.
    pub genres_left_out: u64,
}

/// What is known of items.
#[derive(Clone)]
pub struct Catalog {
    settings: CatalogSettings,
    rows: Vec<Row>,
    places: HashTable<u32>,
    hasher: FixedState,
    genres: Genres,
    counts: Counts,
    /// Bytes of ids, texts and genres of all rows, and of the further fields among them.
    row_bytes: usize,
    fields_bytes: usize,
}

/// An item.
#[derive(Clone)]
struct Row {
    id: Box<str>,
    /// The title, then the further fields.
    text: Box<str>,
    genres: Box<[u16]>,
    title_bytes: u16,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Available,
    Unavailable,
    Removed,
}

impl Row {
    fn bytes(&self) -> usize {
        self.id.len() + self.text.len() + self.genres.len() * size_of::<u16>()
    }

    fn fields(&self) -> &str {
        self.text
            .get(usize::from(self.title_bytes)..)
            .unwrap_or_default()
    }

    fn title(&self) -> Option<&str> {
        let title = self.text.get(..usize::from(self.title_bytes));
        title.filter(|title| !title.is_empty())
    }
}

impl Catalog {
    /// An empty one. The seed only protects its tables from ids made to collide; no result depends on it.
    pub fn new(settings: CatalogSettings, seed: u64) -> Self {
        Self {
            settings,
            rows: Vec::new(),
            places: HashTable::new(),
            hasher: FixedState::with_seed(seed),
            genres: Genres::new(seed),
            counts: Counts::default(),
            row_bytes: 0,
            fields_bytes: 0,
        }
    }

    /// Takes an item, in place of the one of that id. `id` is canonical ([`crate::recommend::id_text`]).
    pub fn put(&mut self, id: &str, item: &Item) -> Outcome {
        let mut left_out = item.genres_left_out;
        let mut genres = Vec::with_capacity(item.genres.len());
        // Genres of an item that is refused are not kept.
        let known = self.place(id);
        if known.is_none() && !self.has_room_for(id) {
            self.counts.refused += 1;
            return Outcome::Refused;
        }
        for genre in &item.genres {
            match self.genres.number(genre) {
                Some(number) => genres.push(number),
                None => left_out += 1,
            }
        }
        let before = known.and_then(|place| self.rows.get(place as usize));
        let freed = before.map_or(0, |row| row.fields().len());
        let room = (self.settings.fields_bytes_max + freed).saturating_sub(self.fields_bytes);
        let fields = if item.fields.len() <= room {
            item.fields.as_str()
        } else {
            ""
        };
        let title = item.title.as_deref().unwrap_or_default();
        let (title, title_bytes) = match u16::try_from(title.len()) {
            Ok(bytes) => (title, bytes),
            Err(_) => ("", 0),
        };
        let row = Row {
            id: id.into(),
            text: [title, fields].concat().into(),
            genres: genres.into(),
            title_bytes,
            state: if item.available {
                State::Available
            } else {
                State::Unavailable
            },
        };
        if item.without_fields || fields.len() < item.fields.len() {
            self.counts.without_fields += 1;
        }
        self.counts.genres_left_out += left_out as u64;
        self.set(known, row)
    }

    /// Removes an item. Its id is remembered, so that the item is not recommended any more.
    pub fn remove(&mut self, id: &str) -> Outcome {
        let known = self.place(id);
        if known.is_none() && !self.has_room_for(id) {
            self.counts.refused += 1;
            return Outcome::Refused;
        }
        let row = Row {
            id: id.into(),
            text: Box::default(),
            genres: Box::default(),
            title_bytes: 0,
            state: State::Removed,
        };
        self.set(known, row)
    }

    /// Genres of an item, in the order in which they were given; none of an unknown one.
    pub fn genres(&self, item: &str) -> impl Iterator<Item = &str> {
        let numbers = self.row(item).map_or(&[][..], |row| &*row.genres);
        numbers
            .iter()
            .filter_map(|number| self.genres.name(*number))
    }

    /// Whether an item may be recommended. One that was removed may not; an unknown one as the settings say.
    pub fn is_available(&self, item: &str) -> bool {
        match self.row(item) {
            Some(row) => row.state == State::Available,
            None => self.settings.recommend_unknown,
        }
    }

    /// The title of an item, if it has one.
    pub fn title(&self, item: &str) -> Option<&str> {
        self.row(item)?.title()
    }

    /// An item, unless it is unknown or was removed.
    pub fn get(&self, item: &str) -> Option<CatalogItem> {
        let row = self.row(item).filter(|row| row.state != State::Removed)?;
        let fields = row.fields();
        let fields = (!fields.is_empty()).then(|| format!("{{{fields}}}"));
        // They were JSON when they were read.
        let fields = fields.and_then(|fields| RawValue::from_string(fields).ok());
        Some(CatalogItem {
            item_id: row.id.to_string(),
            title: row.title().map(str::to_owned),
            genres: self.genres(item).map(str::to_owned).collect(),
            available: row.state == State::Available,
            fields: fields.map(RawJson),
        })
    }

    /// Items that are known.
    pub const fn len(&self) -> usize {
        self.counts.items
    }

    /// Whether no item is known.
    pub const fn is_empty(&self) -> bool {
        self.counts.items == 0
    }

    /// How much it holds, and what it did not take.
    pub fn counts(&self) -> Counts {
        Counts {
            genres: self.genres.len(),
            ..self.counts
        }
    }

    /// Bytes on the heap, without what the allocator adds.
    pub fn bytes(&self) -> usize {
        self.row_bytes
            + self.rows.capacity() * size_of::<Row>()
            + self.places.allocation_size()
            + self.genres.bytes()
    }

    fn has_room_for(&self, id: &str) -> bool {
        let most = self.settings.items_max.min(u32::MAX as usize);
        is_id(id) && self.rows.len() < most
    }

    fn place(&self, id: &str) -> Option<u32> {
        let is = |place: &u32| {
            self.rows
                .get(*place as usize)
                .is_some_and(|row| *row.id == *id)
        };
        self.places.find(self.hasher.hash_one(id), is).copied()
    }

    fn row(&self, id: &str) -> Option<&Row> {
        self.rows.get(self.place(id)? as usize)
    }

    /// Puts a row in its place, or behind the last one.
    fn set(&mut self, known: Option<u32>, row: Row) -> Outcome {
        self.count(&row, true);
        let place = known.and_then(|place| self.rows.get_mut(place as usize));
        if let Some(place) = place {
            let before = std::mem::replace(place, row);
            self.count(&before, false);
            return Outcome::Replaced;
        }
        let Ok(place) = u32::try_from(self.rows.len()) else {
            return Outcome::Refused;
        };
        let hash = self.hasher.hash_one(&*row.id);
        self.rows.push(row);
        let (rows, hasher) = (&self.rows, &self.hasher);
        let rehash =
            |place: &u32| hasher.hash_one(rows.get(*place as usize).map_or("", |row| &*row.id));
        self.places.insert_unique(hash, place, rehash);
        Outcome::New
    }

    fn count(&mut self, row: &Row, added: bool) {
        let known = if row.state == State::Removed {
            &mut self.counts.removed
        } else {
            &mut self.counts.items
        };
        let numbers = [
            (known, 1),
            (&mut self.row_bytes, row.bytes()),
            (&mut self.fields_bytes, row.fields().len()),
        ];
        for (number, by) in numbers {
            *number = if added {
                *number + by
            } else {
                number.saturating_sub(by)
            };
        }
    }
}
