//! Parquet, by its row interface; only the columns needed are read.

use std::fs::File;
use std::sync::Arc;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use super::cell::Cell;
use super::columns::Wanted;
use super::sink::{Cells, Sink};

pub(super) fn read(file: File, wanted: &Wanted, sink: &mut Sink) -> Result<(), String> {
    let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields();
    let present: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let columns = wanted.resolve(&present)?;
    let mut needed: Vec<usize> = columns.iter().flatten().copied().collect();
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
    let places = columns.map(|column| needed.iter().position(|one| Some(*one) == column));
    let rows = reader
        .get_row_iter(Some(projection))
        .map_err(|error| error.to_string())?;
    for (number, row) in (1_u64..).zip(rows) {
        let row = row.map_err(|error| format!("row {number}: {error}"))?;
        let found: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        let cells: Cells = places.map(|place| {
            let field = place.and_then(|place| found.get(place));
            field.map_or(Cell::Missing, |field| cell(field))
        });
        sink.row(&format_args!("row {number}"), &cells);
    }
    Ok(())
}

fn cell(field: &Field) -> Cell {
    match field {
        Field::Null => Cell::Missing,
        Field::Byte(number) => Cell::Whole((*number).into()),
        Field::Short(number) => Cell::Whole((*number).into()),
        Field::Int(number) => Cell::Whole((*number).into()),
        Field::Long(number) => Cell::Whole(*number),
        Field::UByte(number) => Cell::Whole((*number).into()),
        Field::UShort(number) => Cell::Whole((*number).into()),
        Field::UInt(number) => Cell::Whole((*number).into()),
        Field::ULong(number) => {
            i64::try_from(*number).map_or(Cell::Other("a number beyond 2^63"), Cell::Whole)
        }
        Field::Float(number) => Cell::Real((*number).into()),
        Field::Double(number) => Cell::Real(*number),
        Field::Str(text) if text.trim().is_empty() => Cell::Missing,
        Field::Str(text) => Cell::Text(text.clone()),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => Cell::Other("bytes"),
        },
        Field::Date(days) => Cell::Millis(i64::from(*days) * 86_400_000),
        Field::TimestampMillis(millis) => Cell::Millis(*millis),
        Field::TimestampMicros(micros) => Cell::Millis(micros.div_euclid(1_000)),
        Field::ListInternal(list) => Cell::List(list.elements().iter().map(cell).collect()),
        Field::Bool(_) => Cell::Other("true or false"),
        Field::Float16(_) | Field::Decimal(_) => Cell::Other("a decimal number"),
        Field::TimeMillis(_) | Field::TimeMicros(_) => Cell::Other("a time of day"),
        Field::Group(_) | Field::MapInternal(_) => Cell::Other("an object"),
    }
}
