//! Which columns of a table, or fields of an object, hold what: as they are named, else by the usual names.

/// What a column is for, in this order everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The id of the item.
    Item,
    /// Its title.
    Title,
    /// Its genres.
    Genres,
    /// Whether it may be recommended.
    Available,
}

impl Purpose {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Item, Self::Title, Self::Genres, Self::Available];

    /// Its key in `[catalog.columns]`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Title => "title",
            Self::Genres => "genres",
            Self::Available => "available",
        }
    }

    /// The names that such columns usually have, the first that is there counts. Upper and lower case are one.
    pub const fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Item => &[
                "item_id",
                "itemid",
                "item",
                "movie_id",
                "movieid",
                "product_id",
                "productid",
                "article_id",
                "iid",
                "sku",
                "id",
            ],
            Self::Title => &["title", "name", "item_name", "product_name"],
            Self::Genres => &["genres", "genre", "categories", "category", "tags"],
            Self::Available => &["available", "is_available", "in_stock"],
        }
    }
}

/// Names of columns that the configuration gives; without one, the usual names are sought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    named: [Option<String>; 4],
}

impl Columns {
    /// With these names, in the order of [`Purpose::ALL`].
    pub const fn named(named: [Option<String>; 4]) -> Self {
        Self { named }
    }

    /// The place of each purpose's column among these names, in the order of [`Purpose::ALL`].
    pub fn choose<'a>(&self, names: impl Iterator<Item = &'a str>) -> [Option<usize>; 4] {
        let mut best: [Option<(usize, usize)>; 4] = [None; 4];
        for (place, name) in names.enumerate() {
            let name = name.trim();
            for ((purpose, named), best) in Purpose::ALL.iter().zip(&self.named).zip(&mut best) {
                let rank = if let Some(named) = named {
                    (named == name).then_some(0)
                } else {
                    let mut usual = purpose.usual().iter();
                    usual.position(|one| one.eq_ignore_ascii_case(name))
                };
                if let Some(rank) = rank
                    // Of a repeated name the last counts, as in every reader of JSON.
                    && best.is_none_or(|(other, _)| rank <= other)
                {
                    *best = Some((rank, place));
                }
            }
        }
        best.map(|found| found.map(|(_, place)| place))
    }

    /// What is wrong with the columns of a table: none is the item's id, or one that was named is not there.
    ///
    /// # Errors
    /// What was sought, what there is, and what to do.
    pub fn check(&self, present: &[String]) -> Result<(), String> {
        let found = self.choose(present.iter().map(String::as_str));
        for ((purpose, named), found) in Purpose::ALL.iter().zip(&self.named).zip(found) {
            let is_needed = *purpose == Purpose::Item || named.is_some();
            if found.is_none() && is_needed {
                return Err(missing(*purpose, named.as_deref(), present));
            }
        }
        Ok(())
    }

    /// What was sought for the id of the item.
    pub(super) fn sought_id(&self) -> String {
        match &self.named {
            [Some(name), ..] => name.clone(),
            _ => "item_id".to_owned(),
        }
    }
}

/// Columns that a message names.
const SHOWN_MAX: usize = 30;

fn missing(purpose: Purpose, named: Option<&str>, present: &[String]) -> String {
    let names = present.iter().take(SHOWN_MAX).map(|name| name.trim());
    let mut columns = names.collect::<Vec<_>>().join(", ");
    if present.len() > SHOWN_MAX {
        columns.push_str(", …");
    }
    let (key, usual) = (purpose.name(), purpose.usual().join(", "));
    match named {
        Some(name) => format!(
            "there is no column \"{name}\", which catalog.columns.{key} names; the columns are: {columns}"
        ),
        None => format!(
            "no column is the item's id (sought: {usual}); the columns are: {columns}; name it in catalog.columns.{key}"
        ),
    }
}
