//! Tables in files, row by row: CSV, JSON Lines and Parquet, whichever a file turns out to be; text also compressed by gzip.
//! What the rows mean is up to who takes them ([`Rows`]).

mod cell;
mod csv_rows;
mod json_lines;
mod opened;
mod parquet_rows;

use std::fmt::Display;

pub(crate) use cell::Cell;
pub(crate) use csv_rows::read as read_csv;
pub(crate) use json_lines::{cell as json_cell, each as each_line};
pub(crate) use opened::{Opened, open};
pub(crate) use parquet_rows::read as read_parquet;

/// Faults of rows that are shown.
const SHOWN_MAX: usize = 5;

/// Takes the rows of a table as they are read.
pub(crate) trait Rows {
    /// The columns that there are. Answers which are read, by place; `None` if no row is.
    ///
    /// # Errors
    /// Why a table of these columns is of no use; nothing more of it is read.
    fn columns(&mut self, present: &[String]) -> Result<Option<Vec<usize>>, String>;

    /// A row: the cells of the columns chosen, in their order; `place` says where it is ("line 7").
    fn row(&mut self, place: &dyn Display, cells: &mut [Cell]);

    /// Something that is no row.
    fn fault(&mut self, place: &dyn Display, problem: &str);
}

/// Rows that could not be read: how many, and the first of them in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// How many there are.
    pub(crate) count: u64,
    /// What is wrong with the first of them, one line each.
    pub(crate) shown: Vec<String>,
}

impl Faults {
    /// One more.
    pub(crate) fn add(&mut self, place: &dyn Display, problem: &str) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(format!("{place}: {problem}"));
        }
    }
}
