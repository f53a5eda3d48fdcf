//! An event's text with its fields found in it: made once for each event, and read by everything that decides about it.
//!
//! The fields are found at the first question, because most events of busy streams are decided by what
//! [`crate::event::Event`] holds. A value is read when it is asked for, by the code that knows its type.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event_text::{fields_of, position_in};
use crate::field::{Field, Length, read_field};

/// One event, borrowed from its record.
#[derive(Debug)]
pub struct EventView<'a> {
    text: &'a str,
    places: OnceCell<Vec<Place>>,
    whole: OnceCell<Option<Box<RawValue>>>,
}

/// Where a top-level field is in the text. Places and not borrowed text, so that a view can be lent for less than the
/// life of the text.
#[derive(Debug)]
struct Place {
    name: Range<usize>,
    /// The name instead, if it is written with escapes.
    unescaped: Option<String>,
    value: Range<usize>,
}

impl<'a> EventView<'a> {
    /// Of an event that was decoded: text that is no JSON object has no fields.
    pub const fn new(text: &'a str) -> Self {
        Self {
            text,
            places: OnceCell::new(),
            whole: OnceCell::new(),
        }
    }

    /// The event's text.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The event as one JSON value, byte for byte.
    pub(crate) fn whole(&self) -> Option<&RawValue> {
        let whole = || serde_json::from_str(self.text).ok();
        self.whole.get_or_init(whole).as_deref()
    }

    /// A top-level field; of a repeated name the last counts.
    pub(crate) fn field<T>(&self, name: &str) -> Field<T>
    where
        Field<T>: Deserialize<'a>,
    {
        self.value(name).map_or(Field::Missing, read_field)
    }

    /// A number, or the length of a list.
    pub(crate) fn quantity(&self, name: &str) -> Field<f64> {
        let value = self.value(name).unwrap_or("null");
        if value.starts_with('[') {
            return read_field(value).map(|Length(length)| length as f64);
        }
        read_field(value)
    }

    /// The JSON of a top-level field.
    fn value(&self, name: &str) -> Option<&'a str> {
        let mut places = self.places.get_or_init(|| places(self.text)).iter();
        let place = places.rfind(|place| self.name(place) == Some(name))?;
        self.text.get(place.value.clone())
    }

    fn name<'p>(&self, place: &'p Place) -> Option<&'p str>
    where
        'a: 'p,
    {
        match &place.unescaped {
            Some(name) => Some(name),
            None => self.text.get(place.name.clone()),
        }
    }
}

fn places(text: &str) -> Vec<Place> {
    let range = |part: &str| {
        let start = position_in(text, part);
        start..start + part.len()
    };
    let fields = fields_of(text).unwrap_or_default().into_iter();
    let places = fields.map(|field| {
        let (name, unescaped) = match field.name {
            Cow::Borrowed(name) => (range(name), None),
            Cow::Owned(name) => (Range::default(), Some(name)),
        };
        Place {
            name,
            unescaped,
            value: range(field.value.get()),
        }
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Raw, Text};

    #[test]
    fn of_a_repeated_field_the_last_counts_and_a_name_may_have_escapes() {
        let view = EventView::new(r#" {"a":1,"\u0062":"x","a":2,"n":null} "#);
        assert_eq!(view.field("a"), Field::Value(2.0));
        assert_eq!(view.field("b"), Field::Value(Text("x".into())));
        assert_eq!(view.field("n"), Field::<f64>::Missing);
        assert_eq!(view.field("absent"), Field::<f64>::Missing);
        assert_eq!(view.field("a"), Field::Value(Raw("2")));
        assert_eq!(view.whole().unwrap().get(), view.text().trim());
    }

    #[test]
    fn a_value_that_no_program_can_hold_spoils_its_field_only() {
        let view = EventView::new(r#"{"score":1e999,"word":"\ud800","features":["a"]}"#);
        let unreadable = "out of range or not readable";
        assert_eq!(view.field::<f64>("score"), Field::Wrong(unreadable));
        assert_eq!(view.field::<Text<'_>>("word"), Field::Wrong(unreadable));
        assert_eq!(view.field("features"), Field::Value(Length(1)));
        assert_eq!(view.quantity("features"), Field::Value(1.0));
    }

    #[test]
    fn text_that_is_no_object_has_no_fields() {
        for text in ["", "[1]", "null", "{\"a\":", "\u{feff}{\"a\":1}"] {
            assert_eq!(EventView::new(text).field::<f64>("a"), Field::Missing);
        }
    }
}
