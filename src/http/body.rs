//! The body of a request, read within its limits when a handler asks for it.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::time::Duration;

use actix_web::dev::Payload as Stream;
use actix_web::web::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::Deserialize as _;
use serde::de::Error as _;
use serde_json::{Value, json};

use super::describe::{Describe, Operation};
use super::problem::{Kind, Problem};

/// Largest body in bytes. It bounds memory per request; larger sets go in several requests.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// A client has this long to send its body.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// What a body may be, for the document.
pub(super) trait Content {
    /// Whether there has to be one.
    const REQUIRED: bool = true;

    /// Its schemas, by media type.
    fn content(operation: &mut Operation<'_>) -> Value;
}

/// One JSON object.
impl<T: JsonSchema> Content for T {
    fn content(operation: &mut Operation<'_>) -> Value {
        let schema = operation.read::<T>().to_value();
        json!({"application/json": {"schema": schema}})
    }
}

/// A body that is `T`, not read yet: who may not send it is refused before.
pub(super) struct Body<T>(Payload, PhantomData<fn() -> T>);

impl<T> Body<T> {
    /// Its bytes, at most [`BODY_BYTES_MAX`].
    pub(super) async fn read(mut self) -> Result<Vec<u8>, Problem> {
        let reading = async {
            let mut bytes = Vec::new();
            while let Some(chunk) = self.0.next().await {
                let chunk =
                    chunk.map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
                if bytes.len() + chunk.len() > BODY_BYTES_MAX {
                    let detail = format!("a body has at most {BODY_BYTES_MAX} bytes; send several");
                    return Err(Problem::new(Kind::TooLarge, detail));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        };
        tokio::time::timeout(BODY_LIMIT, reading)
            .await
            .unwrap_or_else(|_| {
                let detail = format!("the body did not arrive within {} s", BODY_LIMIT.as_secs());
                Err(Problem::new(Kind::SlowRequest, detail))
            })
    }
}

impl<T: 'static> FromRequest for Body<T> {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, stream: &mut Stream) -> Self::Future {
        ready(
            Payload::from_request(request, stream)
                .into_inner()
                .map(|payload| Self(payload, PhantomData)),
        )
    }
}

impl<T: Content> Describe for Body<T> {
    fn describe(operation: &mut Operation<'_>) {
        let content = T::content(operation);
        operation.body(T::REQUIRED, &content);
        operation.problem(Kind::SlowRequest);
        operation.problem(Kind::TooLarge);
    }
}

/// A whole number of a JSON body, or nothing; `7.0` is one, as in JSON Schema.
pub(super) fn optional_whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: TryFrom<i64>,
{
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    #[allow(clippy::cast_possible_truncation, reason = "bounded just before")]
    let of_float = |float: f64| {
        let is_whole = float.fract() == 0.0 && float.abs() < 9e15;
        is_whole.then_some(float as i64)
    };
    let whole = number
        .as_i64()
        .or_else(|| number.as_f64().and_then(of_float));
    let whole = whole.and_then(|whole| T::try_from(whole).ok());
    let wanted = || D::Error::custom(format!("{number} is not a whole number in range"));
    whole.ok_or_else(wanted).map(Some)
}
