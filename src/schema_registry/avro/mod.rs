//! Avro to JSON. A union is its value, an enum its symbol; times are text in RFC 3339, decimals numbers, bytes base64.
//!
//! `apache-avro` reads schemas. It would read records, too, but a few bytes may claim any number of values that take none (nulls,
//! empty records), or nest them without end; it bounds neither. Here what is written bounds a record, as [`Output`] does.

mod data;
mod schema;
mod text;

use std::collections::BTreeMap;

use data::Data;
use homeostat_logic::event::{DEPTH_MAX, EVENT_BYTES_MAX};
use schema::{Plan, Type};

/// Reads records of one schema.
#[derive(Debug)]
pub(super) struct Avro(Plan);

/// What does not fit.
type Misfit = String;

impl Avro {
    pub(super) fn new(text: &str, references: &BTreeMap<String, String>) -> Result<Self, String> {
        let plan = Plan::new(text, references);
        plan.map(Self)
            .map_err(|error| format!("its Avro schema cannot be read: {error}"))
    }

    /// The JSON of a record.
    pub(super) fn json(&self, data: &[u8]) -> Result<String, String> {
        let mut reading = Reading {
            plan: &self.0,
            data: Data(data),
            output: Output(String::new()),
        };
        let read = reading.value(self.0.root(), DEPTH_MAX);
        let left = reading.data.0.len();
        let read = read.and_then(|()| match left {
            0 => Ok(()),
            left => Err(format!("{left} bytes are left behind it")),
        });
        read.map_err(|misfit| format!("the record does not fit it: {misfit}"))?;
        Ok(reading.output.0)
    }
}

/// JSON under way, no larger than an event.
struct Output(String);

impl Output {
    fn write(&mut self, text: &str) -> Result<(), Misfit> {
        if self.0.len() + text.len() > EVENT_BYTES_MAX {
            return Err(format!(
                "it becomes more than {EVENT_BYTES_MAX} bytes of JSON"
            ));
        }
        self.0.push_str(text);
        Ok(())
    }

    fn quoted(&mut self, text: &str) -> Result<(), Misfit> {
        let quoted = serde_json::to_string(text).map_err(|error| error.to_string())?;
        self.write(&quoted)
    }
}

struct Reading<'a> {
    plan: &'a Plan,
    data: Data<'a>,
    output: Output,
}

impl Reading<'_> {
    /// Writes the next value, of the type at this place of the plan.
    fn value(&mut self, place: usize, depth: usize) -> Result<(), Misfit> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(format!("it is nested deeper than {DEPTH_MAX} levels"));
        };
        let kind = self.plan.at(place)?;
        match kind {
            Type::Null => self.output.write("null"),
            Type::Boolean => match self.data.byte()? {
                0 => self.output.write("false"),
                1 => self.output.write("true"),
                other => Err(format!("{other} is no boolean")),
            },
            Type::Int(meaning) => {
                let number = i64::from(self.data.int()?);
                self.written(text::of_number(number, *meaning))
            }
            Type::Long(meaning) => {
                let number = self.data.long()?;
                self.written(text::of_number(number, *meaning))
            }
            Type::Float => {
                let number = f32::from_le_bytes(self.data.array()?);
                // As it is written in 32 bits, not with the digits that 64 add.
                self.written(text::of_real(number.into(), &number))
            }
            Type::Double => {
                let number = f64::from_le_bytes(self.data.array()?);
                self.written(text::of_real(number, &number))
            }
            Type::Bytes(size, meaning) => {
                let bytes = match size {
                    Some(size) => self.data.take(*size)?,
                    None => self.data.bytes()?,
                };
                self.written(text::of_bytes(bytes, *meaning))
            }
            Type::Text => {
                let text = self.data.text()?;
                self.output.quoted(text)
            }
            Type::Enum(symbols) => {
                let symbol = chosen(symbols, self.data.int()?.into(), "symbols")?;
                self.output.quoted(symbol)
            }
            Type::Union(variants) => {
                let variant = *chosen(variants, self.data.long()?, "variants")?;
                // A union is its value, and holds no union.
                self.value(variant, depth + 1)
            }
            Type::Record(fields) => {
                self.output.write("{")?;
                for (at, (name, kind)) in fields.iter().enumerate() {
                    self.output.write(if at == 0 { "" } else { "," })?;
                    // In quotes, and with a colon.
                    self.output.write(name)?;
                    self.value(*kind, depth)?;
                }
                self.output.write("}")
            }
            Type::Array(items) => {
                self.output.write("[")?;
                self.blocks(|reading| reading.value(*items, depth))?;
                self.output.write("]")
            }
            Type::Map(values) => {
                self.output.write("{")?;
                self.blocks(|reading| {
                    let name = reading.data.text()?;
                    reading.output.quoted(name)?;
                    reading.output.write(":")?;
                    reading.value(*values, depth)
                })?;
                self.output.write("}")
            }
        }
    }

    /// The blocks of an array or a map, up to the empty one. Each item writes something, so that the output ends a false count.
    fn blocks(&mut self, item: impl Fn(&mut Self) -> Result<(), Misfit>) -> Result<(), Misfit> {
        let mut is_first = true;
        loop {
            let mut count = self.data.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // Then the block says its size in bytes, too.
                self.data.long()?;
                count = count.checked_neg().ok_or("a block counts too far")?;
            }
            for _ in 0..count {
                self.output.write(if is_first { "" } else { "," })?;
                is_first = false;
                item(self)?;
            }
        }
    }

    fn written(&mut self, written: text::Written) -> Result<(), Misfit> {
        match written {
            text::Written::Number(text) => self.output.write(&text),
            text::Written::Text(text) => self.output.quoted(&text),
        }
    }
}

/// What an index chooses.
fn chosen<'a, T>(list: &'a [T], index: i64, what: &str) -> Result<&'a T, Misfit> {
    let place = usize::try_from(index).ok();
    let found = place.and_then(|place| list.get(place));
    found.ok_or_else(|| format!("{index} is none of its {} {what}", list.len()))
}

#[cfg(test)]
mod tests;
