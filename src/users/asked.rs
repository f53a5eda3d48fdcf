//! What recommendations are asked with, beside their user.

use homeostat_logic::catalog::Catalog;

/// What recommendations are asked with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// How many items, at most.
    pub count: usize,
    /// Items that the user looks at: the newest of the history for this answer alone, and not part of it.
    pub context: Vec<String>,
    /// Genres, of which an item needs one; none: any item.
    pub genres: Vec<String>,
    /// Whether a person only looks at the list: then it does not count as shown to the user, and is not kept.
    pub is_preview: bool,
}

impl Asked {
    /// So many of all items.
    pub const fn plain(count: usize) -> Self {
        Self {
            count,
            context: Vec::new(),
            genres: Vec::new(),
            is_preview: false,
        }
    }

    /// Whether the answer depends on the user alone, and can be kept.
    pub const fn is_plain(&self) -> bool {
        self.context.is_empty() && self.genres.is_empty()
    }

    /// Whether an item can be part of the answer. Genres are the same in upper and lower case.
    pub fn allows(&self, item: &str, catalog: &Catalog) -> bool {
        let is_wanted = |genre: &str| {
            let mut genres = self.genres.iter();
            genres.any(|wanted| wanted.eq_ignore_ascii_case(genre))
        };
        catalog.is_available(item)
            && !self.context.iter().any(|one| one == item)
            && (self.genres.is_empty() || catalog.genres(item).any(is_wanted))
    }
}
