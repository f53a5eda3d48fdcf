//! An Avro schema as a plan for reading: types by their places, so that names are looked up once.

use std::collections::{BTreeMap, HashMap};

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, UuidSchema};

/// Types of one schema at most: one of the largest size has no more.
const TYPES_MAX: usize = 100_000;

/// What a type is for reading. Numbers are places in the [`Plan`].
#[derive(Debug)]
pub(super) enum Type {
    Null,
    Boolean,
    Int(Number),
    Long(Number),
    Float,
    Double,
    /// Of a fixed size, or behind their length.
    Bytes(Option<usize>, Bytes),
    Text,
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    /// Each name as JSON, in quotes and with a colon.
    Record(Vec<(String, usize)>),
    Enum(Vec<String>),
}

/// What a whole number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Itself,
    Date,
    /// Units of a second since midnight.
    Time(i64),
    /// Units of a second since 1970 in UTC.
    Instant(i64),
    /// The same by a local clock.
    Local(i64),
}

/// What bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    Themselves,
    /// Digits behind the point.
    Decimal(usize),
    BigDecimal,
    Uuid,
    Duration,
}

/// The types of a schema; the first one is that of a record.
#[derive(Debug)]
pub(super) struct Plan {
    types: Vec<Type>,
    root: usize,
}

impl Plan {
    pub(super) fn new(text: &str, references: &BTreeMap<String, String>) -> Result<Self, String> {
        let parsed = Schema::parse_str_with_list(text, references.values());
        let (root, references) = parsed.map_err(|error| error.to_string())?;
        let mut making = Making::default();
        for reference in &references {
            making.add(reference)?;
        }
        let root = making.add(&root)?;
        making.named(root)
    }

    pub(super) const fn root(&self) -> usize {
        self.root
    }

    pub(super) fn at(&self, place: usize) -> Result<&Type, String> {
        let found = self.types.get(place);
        found.ok_or_else(|| "its schema is not whole".to_owned())
    }
}

#[derive(Default)]
struct Making<'a> {
    /// `None` = the type is still being read, or is only a name.
    types: Vec<Option<Type>>,
    /// Places of types with a name.
    names: HashMap<&'a str, usize>,
    /// Places that stand for a name.
    mentions: Vec<(usize, &'a str)>,
}

impl<'a> Making<'a> {
    fn add(&mut self, schema: &'a Schema) -> Result<usize, String> {
        let place = self.types.len();
        if place == TYPES_MAX {
            return Err(format!("it has more than {TYPES_MAX} types"));
        }
        self.types.push(None);
        let made = self.read(schema, place)?;
        if let Some(slot) = self.types.get_mut(place) {
            *slot = made;
        }
        Ok(place)
    }

    /// A type; `None` for a mere name.
    fn read(&mut self, schema: &'a Schema, place: usize) -> Result<Option<Type>, String> {
        const MILLI: i64 = 1_000;
        const MICRO: i64 = 1_000_000;
        const NANO: i64 = 1_000_000_000;
        Ok(Some(match schema {
            Schema::Null => Type::Null,
            Schema::Boolean => Type::Boolean,
            Schema::Int => Type::Int(Number::Itself),
            Schema::Long => Type::Long(Number::Itself),
            Schema::Float => Type::Float,
            Schema::Double => Type::Double,
            Schema::Bytes => Type::Bytes(None, Bytes::Themselves),
            Schema::String | Schema::Uuid(UuidSchema::String) => Type::Text,
            Schema::Array(array) => Type::Array(self.add(&array.items)?),
            Schema::Map(map) => Type::Map(self.add(&map.types)?),
            Schema::Union(union) => {
                let variants = union.variants().iter().map(|one| self.add(one));
                Type::Union(variants.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => {
                self.names.insert(record.name.as_ref(), place);
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    let name = serde_json::to_string(&field.name).unwrap_or_default();
                    fields.push((format!("{name}:"), self.add(&field.schema)?));
                }
                Type::Record(fields)
            }
            Schema::Enum(one) => {
                self.names.insert(one.name.as_ref(), place);
                Type::Enum(one.symbols.clone())
            }
            Schema::Fixed(fixed) => {
                self.names.insert(fixed.name.as_ref(), place);
                Type::Bytes(Some(fixed.size), Bytes::Themselves)
            }
            Schema::Decimal(decimal) => {
                let size = match &decimal.inner {
                    InnerDecimalSchema::Bytes => None,
                    InnerDecimalSchema::Fixed(fixed) => {
                        self.names.insert(fixed.name.as_ref(), place);
                        Some(fixed.size)
                    }
                };
                Type::Bytes(size, Bytes::Decimal(decimal.scale))
            }
            Schema::BigDecimal => Type::Bytes(None, Bytes::BigDecimal),
            Schema::Uuid(UuidSchema::Bytes) => Type::Bytes(None, Bytes::Uuid),
            Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                self.names.insert(fixed.name.as_ref(), place);
                Type::Bytes(Some(fixed.size), Bytes::Uuid)
            }
            Schema::Duration(fixed) => {
                self.names.insert(fixed.name.as_ref(), place);
                Type::Bytes(Some(fixed.size), Bytes::Duration)
            }
            Schema::Date => Type::Int(Number::Date),
            Schema::TimeMillis => Type::Int(Number::Time(MILLI)),
            Schema::TimeMicros => Type::Long(Number::Time(MICRO)),
            Schema::TimestampMillis => Type::Long(Number::Instant(MILLI)),
            Schema::TimestampMicros => Type::Long(Number::Instant(MICRO)),
            Schema::TimestampNanos => Type::Long(Number::Instant(NANO)),
            Schema::LocalTimestampMillis => Type::Long(Number::Local(MILLI)),
            Schema::LocalTimestampMicros => Type::Long(Number::Local(MICRO)),
            Schema::LocalTimestampNanos => Type::Long(Number::Local(NANO)),
            Schema::Ref { name } => {
                self.mentions.push((place, name.as_ref()));
                return Ok(None);
            }
        }))
    }

    /// Puts types in the place of their names.
    fn named(self, root: usize) -> Result<Plan, String> {
        let mut places = BTreeMap::new();
        for (place, name) in self.mentions {
            let meant = self.names.get(name);
            places.insert(
                place,
                *meant.ok_or_else(|| format!("it has no type {name}"))?,
            );
        }
        let meant = |place: usize| places.get(&place).copied().unwrap_or(place);
        let types = self.types.into_iter().map(|one| match one {
            Some(Type::Array(items)) => Type::Array(meant(items)),
            Some(Type::Map(values)) => Type::Map(meant(values)),
            Some(Type::Union(variants)) => Type::Union(variants.into_iter().map(meant).collect()),
            Some(Type::Record(fields)) => Type::Record(
                fields
                    .into_iter()
                    .map(|(name, place)| (name, meant(place)))
                    .collect(),
            ),
            Some(other) => other,
            // A place that is a mere name, to which nothing points any more.
            None => Type::Null,
        });
        Ok(Plan {
            types: types.collect(),
            root: meant(root),
        })
    }
}
