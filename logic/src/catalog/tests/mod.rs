//! Tests of the catalog: how items are read, what a record says, and what memory holds.

mod memory;
mod reading;
mod records;
