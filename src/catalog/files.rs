//! Files of items: the whole of one at the start, its first line for `homeostat check`.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use homeostat_logic::catalog::{Catalog, Columns, Given, Item, ItemFault, Outcome, read_item};
use serde_json::Value;
use serde_json::value::RawValue;

use super::settings::Catalog as Section;
use crate::tables::{Cell, Faults, Opened, Rows, each_line, open, read_csv, read_parquet};

/// Why a file of items is of no use. The start is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "catalog.files: {}: {problem}; correct the file, or take it out of catalog.files",
    file.display()
)]
pub struct FileError {
    /// The file.
    file: PathBuf,
    /// What is wrong with it.
    problem: String,
}

/// Reads the files into the catalog, in their order: an item that comes again replaces the one before. Rows that are no
/// item are left out, counted, and the first of them named in a warning. Blocking.
///
/// # Errors
/// A file cannot be read, or has no column for the item's id.
pub(super) fn load(section: &Section, catalog: &mut Catalog) -> Result<(), FileError> {
    let columns = section.columns();
    for file in &section.files {
        let refused = catalog.counts().refused;
        let mut items = Items::new(&columns, Some(catalog));
        items.read(file)?;
        let Items { faults, taken, .. } = items;
        let (name, shown) = (file.display(), faults.shown.join("; "));
        if faults.count > 0 {
            tracing::warn!(
                "catalog.files: {name}: {} rows are no items and were left out, the first of them: {shown}",
                faults.count
            );
        }
        let refused = catalog.counts().refused - refused;
        if refused > 0 {
            tracing::warn!(
                "catalog.files: {name}: {refused} items were refused, because the catalog holds {} already; raise catalog.items_max",
                section.items_max
            );
        }
        tracing::info!(file = %name, items = taken, "items read");
    }
    Ok(())
}

/// Reads the first line of each file, or the columns of a Parquet file.
///
/// # Errors
/// Each file that cannot be read, or has no column for the item's id.
pub(crate) fn check(section: &Section) -> Result<(), Vec<FileError>> {
    let columns = section.columns();
    let read = |file: &PathBuf| Items::new(&columns, None).read(file).err();
    let faults: Vec<FileError> = section.files.iter().filter_map(read).collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// Takes the rows of a file.
struct Items<'a> {
    columns: &'a Columns,
    /// Without one, only what the columns are is looked at.
    catalog: Option<&'a mut Catalog>,
    /// Names of the columns.
    names: Vec<String>,
    /// Whether its cells are text, whatever they mean.
    is_text: bool,
    /// Whether it has a header at all.
    has_columns: bool,
    faults: Faults,
    taken: u64,
}

impl<'a> Items<'a> {
    const fn new(columns: &'a Columns, catalog: Option<&'a mut Catalog>) -> Self {
        Self {
            columns,
            catalog,
            names: Vec::new(),
            is_text: false,
            has_columns: false,
            faults: Faults {
                count: 0,
                shown: Vec::new(),
            },
            taken: 0,
        }
    }

    fn read(&mut self, file: &Path) -> Result<(), FileError> {
        let read = open(file).and_then(|opened| match opened {
            Opened::Parquet(file) => read_parquet(file, self),
            Opened::JsonLines(text) => {
                self.has_columns = true;
                each_line(text, |number, line| self.line(number, line))
            }
            Opened::Csv(text) => {
                self.is_text = true;
                read_csv(text, self)
            }
        });
        let read = match read {
            Ok(()) if !self.has_columns => Err("it is empty".to_owned()),
            read => read,
        };
        read.map_err(|problem| FileError {
            file: file.to_owned(),
            problem,
        })
    }

    /// A line of JSON. One that is no item does not end the reading, unless it is the only one that is looked at.
    fn line(&mut self, number: u64, line: &[u8]) -> Result<bool, String> {
        let place = format_args!("line {number}");
        let problem = match of_line(line, self.columns) {
            Ok((id, item)) => {
                self.put(&id, &item);
                return Ok(self.catalog.is_some());
            }
            Err(problem) => problem,
        };
        if self.catalog.is_none() {
            return Err(format!("{place}: {problem}"));
        }
        self.faults.add(&place, &problem);
        Ok(true)
    }

    fn put(&mut self, id: &str, item: &Item) {
        if let Some(catalog) = &mut self.catalog
            && catalog.put(id, item) != Outcome::Refused
        {
            self.taken += 1;
        }
    }
}

impl Rows for Items<'_> {
    fn columns(&mut self, present: &[String]) -> Result<Option<Vec<usize>>, String> {
        self.columns.check(present)?;
        self.names = present.iter().map(|name| name.trim().to_owned()).collect();
        self.has_columns = true;
        let all = self.catalog.is_some().then(|| (0..present.len()).collect());
        Ok(all)
    }

    fn row(&mut self, place: &dyn Display, cells: &mut [Cell]) {
        match of_cells(&self.names, cells, self.is_text, self.columns) {
            Ok((id, item)) => self.put(&id, &item),
            Err(fault) => self.faults.add(place, &fault.to_string()),
        }
    }

    fn fault(&mut self, place: &dyn Display, problem: &str) {
        self.faults.add(place, problem);
    }
}

/// The item of a line; of one of `homeostat publish` that of its value.
fn of_line(line: &[u8], columns: &Columns) -> Result<(String, Item), String> {
    let object = |text: &[u8]| serde_json::from_slice::<FieldsInOrder>(text).map(|found| found.0);
    let fields = object(line).map_err(|error| format!("it is no JSON object: {error}"))?;
    let value = |name: &str| fields.iter().find(|(one, _)| one == name);
    let inside = match (value("topic"), value("value")) {
        (Some(_), Some((_, event))) => object(event.get().as_bytes()).ok(),
        _ => None,
    };
    let fields = inside.as_ref().unwrap_or(&fields);
    let given: Vec<(Cow<'_, str>, Given<'_>)> = fields
        .iter()
        .map(|(name, value)| (Cow::Borrowed(name.as_str()), Given::Json(value)))
        .collect();
    read_item(&given, columns).map_err(|fault| fault.to_string())
}

/// The fields of a JSON object, in their order, each value as it is written.
struct FieldsInOrder(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for FieldsInOrder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> serde::de::Visitor<'de> for Fields {
            type Value = FieldsInOrder;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(FieldsInOrder(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// The item of a row.
fn of_cells(
    names: &[String],
    cells: &[Cell],
    is_text: bool,
    columns: &Columns,
) -> Result<(String, Item), ItemFault> {
    let typed: Vec<Value> = cells
        .iter()
        .map(|cell| if is_text { Value::Null } else { cell.json() })
        .collect();
    let rows = names.iter().zip(cells).zip(&typed);
    let given: Vec<(Cow<'_, str>, Given<'_>)> = rows
        .map(|((name, cell), typed)| {
            let given = match cell {
                Cell::Text(text) if is_text => Given::Text(text),
                _ => Given::Typed(typed),
            };
            (Cow::Borrowed(name.as_str()), given)
        })
        .collect();
    read_item(&given, columns)
}
