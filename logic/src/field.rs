//! Lenient JSON fields: a field of the wrong type is noted and treated as missing, so that a sloppy producer's alarm is
//! still heard.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A field of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Field<T> {
    /// Absent, or null.
    #[default]
    Missing,
    /// There, and of the expected type.
    Value(T),
    /// There, but of the type named.
    Wrong(&'static str),
}

impl<T> Field<T> {
    /// The value, if there is a usable one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Wrong(_) => None,
        }
    }

    /// The same field with another value type.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Missing => Field::Missing,
            Self::Value(value) => Field::Value(convert(value)),
            Self::Wrong(kind) => Field::Wrong(kind),
        }
    }

    /// The sentence that names a field of a wrong type.
    pub fn remark(&self, name: &str, wanted: &str) -> Option<String> {
        let found = self.wrong()?;
        Some(format!("{name} is {found}, not {wanted}"))
    }

    /// The type found instead of the expected one.
    pub const fn wrong(&self) -> Option<&'static str> {
        match self {
            Self::Wrong(kind) => Some(kind),
            Self::Missing | Self::Value(_) => None,
        }
    }
}

/// Text, borrowed from the input unless it has escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

/// A word: text, or a number in decimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Shape<'de> for Word<'a> {
    fn text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self(text))
    }

    fn number(number: f64) -> Option<Self> {
        Some(Self(Cow::Owned(number.to_string())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<Word<'a>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

/// Any value, null included: the field is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present;

impl<'de> Deserialize<'de> for Field<Present> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self::Value(Present))
    }
}

/// The JSON text of a value of any type but null, for fields that may be given in several types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(pub &'a str);

impl<'a> Raw<'a> {
    /// The value's type as faults name it.
    pub fn kind(self) -> &'static str {
        match self.0.bytes().next() {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b't' | b'f') => "a boolean",
            _ => "a number",
        }
    }

    /// The text of a string, borrowed unless it has escapes; `None` for any other type and for half a surrogate pair.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            return serde_json::from_str::<String>(self.0).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(inner))
    }
}

/// An object, whatever is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object;

/// The length of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub u64);

/// What a lenient field is made of; every constructor defaults to "not this type".
trait Shape<'de>: Sized {
    fn number(_: f64) -> Option<Self> {
        None
    }
    fn text(_: Cow<'de, str>) -> Option<Self> {
        None
    }
    fn list(_: u64) -> Option<Self> {
        None
    }
    fn object() -> Option<Self> {
        None
    }
}

impl Shape<'_> for Object {
    fn object() -> Option<Self> {
        Some(Self)
    }
}

impl Shape<'_> for f64 {
    fn number(number: f64) -> Option<Self> {
        Some(number)
    }
}

impl<'de: 'a, 'a> Shape<'de> for Text<'a> {
    fn text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self(text))
    }
}

impl Shape<'_> for Length {
    fn list(length: u64) -> Option<Self> {
        Some(Self(length))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

fn or_wrong<T>(value: Option<T>, kind: &'static str) -> Field<T> {
    value.map_or(Field::Wrong(kind), Field::Value)
}

impl<'de, T: Shape<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::Wrong("a boolean"))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(or_wrong(T::number(number as f64), "a number"))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(or_wrong(T::number(number as f64), "a number"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(or_wrong(T::number(number), "a number"))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(or_wrong(T::text(Cow::Borrowed(text)), "a string"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(or_wrong(T::text(Cow::Owned(text.to_owned())), "a string"))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut length = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            length += 1;
        }
        Ok(or_wrong(T::list(length), "a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(or_wrong(T::object(), "an object"))
    }
}

impl<'de> Deserialize<'de> for Field<Object> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

/// Reads one field by itself: what JSON allows and Rust cannot hold (1e999, half a surrogate pair) spoils this field
/// and no other.
pub(crate) fn read_field<'de, T>(value: &'de str) -> Field<T>
where
    Field<T>: Deserialize<'de>,
{
    serde_json::from_str(value).unwrap_or(Field::Wrong("out of range or not readable"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<Raw<'a>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de serde_json::value::RawValue>::deserialize(deserializer)?.get();
        Ok(if raw == "null" {
            Self::Missing
        } else {
            Self::Value(Raw(raw))
        })
    }
}

impl<'de> Deserialize<'de> for Field<f64> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Field<Length> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<Text<'a>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

/// The text of a name in quotes. A name that no text can hold (half a surrogate pair) is given as it is written.
pub(crate) fn name_of(quoted: &str) -> Cow<'_, str> {
    let inside = quoted.trim_matches('"');
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    serde_json::from_str(quoted).map_or(Cow::Borrowed(inside), Cow::Owned)
}

/// The name of a field where the reader takes it as text: borrowed unless it has escapes.
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a field")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// Defines a struct of lenient fields with `read`, which reads it from the text of a JSON object: unknown fields are passed over,
/// and of a repeated name the last counts, as in most JSON readers. Anything but an object is refused, while a derived reader
/// would take a list as the fields in order.
///
/// The text is read once, each value straight into its field. Where that stumbles over a value that JSON allows and Rust cannot
/// hold, it is read again with every value by itself, so that only the field of that value is spoilt.
macro_rules! lenient_struct {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident<$life:lifetime> {
        $($(#[$field_meta:meta])* $field_visibility:vis $field:ident: $shape:ty,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        $visibility struct $name<$life> {
            $($(#[$field_meta])* $field_visibility $field: $crate::field::Field<$shape>,)+
        }

        impl<$life> $name<$life> {
            /// Reads the text of a JSON object.
            $visibility fn read(text: &$life str) -> Result<Self, serde_json::Error> {
                Self::visit::<false>(text).or_else(|_| Self::visit::<true>(text))
            }

            fn visit<const BY_ITSELF: bool>(text: &$life str) -> Result<Self, serde_json::Error> {
                // Filled in place: moved from reader to reader, it would cost as much as reading a field.
                struct FieldsVisitor<'r, 'de, const BY_ITSELF: bool>(&'r mut $name<'de>);
                impl<'de, const BY_ITSELF: bool> serde::de::Visitor<'de> for FieldsVisitor<'_, 'de, BY_ITSELF> {
                    type Value = ();

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        formatter.write_str("a JSON object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        use $crate::field::{Name, name_of, read_field};
                        use serde_json::value::RawValue;

                        let read = self.0;
                        loop {
                            let name = if BY_ITSELF {
                                map.next_key::<&'de RawValue>()?.map(|key| name_of(key.get()))
                            } else {
                                map.next_key::<Name<'de>>()?.map(|Name(name)| name)
                            };
                            match name.as_deref() {
                                None => return Ok(()),
                                $(Some(stringify!($field)) => {
                                    read.$field = if BY_ITSELF {
                                        read_field(map.next_value::<&'de RawValue>()?.get())
                                    } else {
                                        map.next_value()?
                                    };
                                })+
                                Some(_) => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                    }
                }
                let mut parser = serde_json::Deserializer::from_str(text);
                let mut read = Self::default();
                let visitor = FieldsVisitor::<BY_ITSELF>(&mut read);
                serde::Deserializer::deserialize_map(&mut parser, visitor)?;
                parser.end().map(|()| read)
            }
        }
    };
}
pub(crate) use lenient_struct;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_value_is_a_field() {
        let number = |text| serde_json::from_str::<Field<f64>>(text).unwrap();
        assert_eq!(number("0.5"), Field::Value(0.5));
        assert_eq!(number("-3"), Field::Value(-3.0));
        assert_eq!(number("null"), Field::Missing);
        assert_eq!(number("\"0.5\""), Field::Wrong("a string"));
        assert_eq!(number("[1,[2]]"), Field::Wrong("a list"));
        assert_eq!(number("{\"a\":{}}"), Field::Wrong("an object"));
        assert_eq!(number("true"), Field::Wrong("a boolean"));
        let length = |text| serde_json::from_str::<Field<Length>>(text).unwrap();
        assert_eq!(length("[1,\"b\",{}]"), Field::Value(Length(3)));
        assert_eq!(length("3"), Field::Wrong("a number"));
        let text: Field<Text<'_>> = serde_json::from_str("\"a\\n\"").unwrap();
        assert_eq!(text, Field::Value(Text(Cow::Borrowed("a\n"))));
    }
}
