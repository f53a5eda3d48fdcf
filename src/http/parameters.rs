//! The parameters of a query, read into the type that declares them: each is known, given once, and is what its field takes.

use std::future::{Ready, ready};
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::error::QueryPayloadError;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use schemars::JsonSchema;
use serde::de::value::Error as Unread;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};

use super::describe::{Describe, Operation};
use super::problem::{Kind, Problem};

/// At most this much of a bad value is repeated.
const ECHO_CHARS_MAX: usize = 100;

/// Items on a page unless asked otherwise, and at most.
pub(super) const LIMIT: usize = 100;
/// See [`LIMIT`].
pub(super) const LIMIT_MAX: usize = 1_000;

/// The parameters of a request as `T` declares them. Handlers read them when it is their turn, so that what comes before is
/// refused before.
pub(super) struct Parameters<T>(String, PhantomData<fn() -> T>);

/// A route that takes no parameters and says so.
#[derive(serde::Deserialize, JsonSchema)]
pub(super) struct NoParameters {}

impl<T: DeserializeOwned> Parameters<T> {
    /// Reads them.
    pub(super) fn read(&self) -> Result<T, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_query(&self.0)
            .map_err(|error| Problem::new(Kind::BadParameter, error.to_string()))?
            .into_inner();
        let known = fields_of::<T>();
        for (index, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(bad(name, "is not known", &known.join(", ")));
            }
            if pairs.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(bad(name, "is given twice", "one of each"));
            }
        }
        let read = Query::<T>::from_query(&self.0);
        read.map(Query::into_inner)
            .map_err(|error| self.refused(&error))
    }

    /// Reads them beside one that another argument of the handler reads.
    pub(super) fn read_beside(&self, other: &str) -> Result<T, Problem> {
        let is_own = |pair: &&str| pair.split('=').next() != Some(other);
        let own: Vec<&str> = self.0.split('&').filter(is_own).collect();
        Self(own.join("&"), PhantomData).read()
    }

    /// Which parameter is not what its field takes: the one that cannot be read alone either.
    fn refused(&self, error: &QueryPayloadError) -> Problem {
        let alone = |pair: &str| {
            let error = Query::<T>::from_query(pair).err()?;
            let named = Query::<Vec<(String, String)>>::from_query(pair).ok()?;
            let (name, value) = named.into_inner().into_iter().next()?;
            Some(bad(&name, &value, &allowed(&error)))
        };
        let found = self.0.split('&').find_map(alone);
        found.unwrap_or_else(|| Problem::new(Kind::BadParameter, error.to_string()))
    }
}

fn allowed(error: &QueryPayloadError) -> String {
    match error {
        QueryPayloadError::Deserialize(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The problem of a parameter with an unknown name or a bad value.
fn bad(name: &str, value: &str, allowed: &str) -> Problem {
    let name: String = name.chars().take(ECHO_CHARS_MAX).collect();
    let value: String = value.chars().take(ECHO_CHARS_MAX).collect();
    Problem::new(
        Kind::BadParameter,
        format!("parameter `{name}`: {value}; allowed: {allowed}"),
    )
    .with("parameter", name)
}

impl<T: 'static> FromRequest for Parameters<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.query_string().to_owned(), PhantomData)))
    }
}

impl<T: JsonSchema> Describe for Parameters<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameters::<T>("query");
    }
}

/// Reads text by `read`; what it does not take is refused with what is allowed.
pub(super) fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    allowed: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text).ok_or_else(|| D::Error::custom(allowed))
}

/// The size of a page.
pub(super) fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let wanted = format!("a whole number from 1 to {LIMIT_MAX}");
    text(deserializer, &wanted, |text| {
        let number = text.parse().ok();
        number.filter(|limit| (1..=LIMIT_MAX).contains(limit))
    })
}

/// True or false.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    text(deserializer, "true or false", |text| text.parse().ok())
}

/// The size of a page that names none.
pub(super) const fn default_limit() -> usize {
    LIMIT
}

/// The fields of a struct as serde derives them.
fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It only looks at what is asked for, and reads nothing.
    drop(T::deserialize(Fields(&mut fields)));
    fields
}

struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unread> {
        Err(Unread::custom("only the fields of a struct are looked at"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
