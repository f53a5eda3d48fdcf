//! Parquet, by its row interface; only the columns needed are read.

use std::fs::File;
use std::sync::Arc;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use super::{Cell, Rows};

/// Reads the whole table.
///
/// # Errors
/// It cannot be read on, or its columns are of no use.
pub(crate) fn read(file: File, rows: &mut dyn Rows) -> Result<(), String> {
    let reader = SerializedFileReader::new(file)
        .map_err(|error| format!("it cannot be read as Parquet: {error}"))?;
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields();
    let present: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let Some(columns) = rows.columns(&present)? else {
        return Ok(());
    };
    let mut needed = columns.clone();
    needed.sort_unstable();
    needed.dedup();
    let chosen = needed
        .iter()
        .filter_map(|column| fields.get(*column))
        .map(Arc::clone);
    let projection = Type::group_type_builder(schema.name())
        .with_fields(chosen.collect())
        .build()
        .map_err(|error| error.to_string())?;
    let places = columns.iter();
    let places: Vec<Option<usize>> = places
        .map(|column| needed.iter().position(|one| one == column))
        .collect();
    let read = reader
        .get_row_iter(Some(projection))
        .map_err(|error| error.to_string())?;
    for (number, row) in (1_u64..).zip(read) {
        let row = row.map_err(|error| format!("row {number}: {error}"))?;
        let found: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        let mut cells: Vec<Cell> = places
            .iter()
            .map(|place| {
                let field = place.and_then(|place| found.get(place));
                field.map_or(Cell::Missing, |field| cell(field))
            })
            .collect();
        rows.row(&format_args!("row {number}"), &mut cells);
    }
    Ok(())
}

fn cell(field: &Field) -> Cell {
    let other = |kind| Cell::Other(kind, field.to_string());
    match field {
        Field::Null => Cell::Missing,
        Field::Byte(number) => Cell::Whole((*number).into()),
        Field::Short(number) => Cell::Whole((*number).into()),
        Field::Int(number) => Cell::Whole((*number).into()),
        Field::Long(number) => Cell::Whole(*number),
        Field::UByte(number) => Cell::Whole((*number).into()),
        Field::UShort(number) => Cell::Whole((*number).into()),
        Field::UInt(number) => Cell::Whole((*number).into()),
        // Beyond 2^63 a number is text: as a fraction, two ids could become one.
        Field::ULong(number) => {
            i64::try_from(*number).map_or_else(|_| Cell::Text(number.to_string()), Cell::Whole)
        }
        // What is missing in a column of numbers.
        Field::Float(number) if number.is_nan() => Cell::Missing,
        Field::Double(number) if number.is_nan() => Cell::Missing,
        Field::Float(number) => Cell::Real((*number).into()),
        Field::Double(number) => Cell::Real(*number),
        Field::Str(text) if text.trim().is_empty() => Cell::Missing,
        Field::Str(text) => Cell::Text(text.clone()),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => other("bytes"),
        },
        Field::Date(days) => Cell::Millis(i64::from(*days) * 86_400_000),
        Field::TimestampMillis(millis) => Cell::Millis(*millis),
        Field::TimestampMicros(micros) => Cell::Millis(micros.div_euclid(1_000)),
        Field::ListInternal(list) => Cell::List(list.elements().iter().map(cell).collect()),
        Field::Bool(flag) => Cell::Flag(*flag),
        Field::Float16(_) | Field::Decimal(_) => other("a decimal number"),
        Field::TimeMillis(_) | Field::TimeMicros(_) => other("a time of day"),
        Field::Group(row) => {
            let fields = row.get_column_iter();
            Cell::Object(
                fields
                    .map(|(name, field)| (name.clone(), cell(field)))
                    .collect(),
            )
        }
        Field::MapInternal(_) => other("a map"),
    }
}
