//! Takes rows as the readers of all formats find them, and counts what cannot be read.

use std::borrow::Cow;
use std::fmt::Display;

use homeostat_logic::recommend::evaluation::{Builder, Dataset, Row};

use super::columns::{USES, Wanted};
use crate::tables::{Cell, Faults, Rows};

/// A row that names more items than this is not read.
const ITEMS_MAX: usize = 10_000;

/// What one row holds, in the order of [`USES`].
pub(super) type Cells = [Cell; 5];

/// Takes rows as the readers find them.
pub(super) struct Sink<'a> {
    wanted: &'a Wanted,
    builder: Builder,
    rows: u64,
    faults: Faults,
    /// Which of the cells of a row has which use.
    places: [Option<usize>; 5],
}

/// What was read.
pub(super) struct Read {
    pub(super) data: Dataset,
    /// Rows that could not be read.
    pub(super) faults: Faults,
}

impl Rows for Sink<'_> {
    fn columns(&mut self, present: &[String]) -> Result<Option<Vec<usize>>, String> {
        let found = self.wanted.resolve(present)?;
        let mut chosen = Vec::new();
        self.places = found.map(|column| {
            chosen.push(column?);
            Some(chosen.len() - 1)
        });
        Ok(Some(chosen))
    }

    fn row(&mut self, place: &dyn Display, cells: &mut [Cell]) {
        let cells = self.places.map(|place| {
            let cell = place.and_then(|place| cells.get_mut(place));
            cell.map_or(Cell::Missing, |cell| std::mem::replace(cell, Cell::Missing))
        });
        self.take(place, &cells);
    }

    fn fault(&mut self, place: &dyn Display, problem: &str) {
        self.faults.add(place, problem);
    }
}

impl<'a> Sink<'a> {
    pub(super) fn new(wanted: &'a Wanted) -> Self {
        Self {
            wanted,
            builder: Builder::default(),
            rows: 0,
            faults: Faults::default(),
            places: [None; 5],
        }
    }

    pub(super) fn done(self) -> Read {
        Read {
            data: self.builder.build(),
            faults: self.faults,
        }
    }

    /// The cells of a row; `place` says where it is ("line 7").
    pub(super) fn take(&mut self, place: &dyn Display, cells: &Cells) {
        self.rows += 1;
        if let Err(problem) = self.add(cells) {
            self.faults.add(place, &problem);
        }
    }

    fn add(&mut self, [user, item, time, kind, weight]: &Cells) -> Result<(), String> {
        let wrong = |place: usize, cell: &Cell, wanted: &str| {
            let purpose = USES.get(place).copied().unwrap_or_default();
            format!("the {purpose} is {}, not {wanted}", cell.shown())
        };
        let id = |place, cell: &Cell| {
            cell.id()
                .map(Cow::into_owned)
                .ok_or_else(|| wrong(place, cell, "an id of 1 to 256 bytes"))
        };
        let user = id(0, user)?;
        let time_ms = if self.wanted.in_order {
            i64::try_from(self.rows).unwrap_or(i64::MAX / 1_000) * 1_000
        } else {
            time.millis().ok_or_else(|| {
                wrong(
                    2,
                    time,
                    "a time (seconds since 1970, or 2026-11-30T12:00:00Z)",
                )
            })?
        };
        let kind = match kind {
            Cell::Missing => Cow::Borrowed(""),
            cell => cell.id().ok_or_else(|| wrong(3, cell, "text"))?,
        };
        let weight = match weight {
            Cell::Missing => None,
            cell => Some(cell.weight().ok_or_else(|| wrong(4, cell, "a number"))?),
        };
        let items = match item {
            Cell::List(items) if items.len() > ITEMS_MAX => {
                return Err(format!(
                    "{} items in one row; at most {ITEMS_MAX} are read",
                    items.len()
                ));
            }
            Cell::List(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        for item in items {
            let row = Row {
                user: &user,
                item: &id(1, item)?,
                time_ms,
                kind: &kind,
                weight,
            };
            self.builder.add(&row).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
