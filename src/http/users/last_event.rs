//! What a client says of itself when it follows a user's updates: the update that it has already (`Last-Event-ID`, which a browser's
//! `EventSource` sends when it comes back, or `?last_event_id=`), and whether a person only looks at them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::PARAMETER;
use crate::http::describe::{Describe, Operation};
use crate::http::parameters::{self, Parameters};
use crate::http::problem::{Kind, Problem};

/// Longest id that is compared; a longer one is none of ours.
const ID_BYTES_MAX: usize = 64;

/// What a client says of itself.
#[derive(Default)]
pub(super) struct LastEvent {
    /// The id, if there is one. One that this service never gave is another one than the latest, so the latest is sent.
    pub(super) id: Option<String>,
    /// What it is handed does not count as shown to the user.
    pub(super) is_preview: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InQuery {
    /// `id` of the last update that the client has, as the header.
    last_event_id: Option<String>,
    /// Whether a person only looks at the updates: then their lists do not count as shown to the user.
    #[serde(default, deserialize_with = "parameters::flag")]
    #[schemars(with = "Option<bool>")]
    preview: bool,
}

/// Only described: its name is no name of a field in Rust.
#[derive(JsonSchema)]
struct InHeader {
    /// `id` of the last update that the client has; the latest is sent at once if it is another one.
    #[schemars(rename = "Last-Event-ID")]
    _last_event_id: Option<String>,
}

impl FromRequest for LastEvent {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let query = Parameters::<InQuery>::from_request(request, payload).into_inner();
        let query = query.and_then(|query| query.read_beside(PARAMETER));
        let header = request.headers().get("last-event-id");
        let header = header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let last = query.map(|query| (header.or(query.last_event_id), query.preview));
        ready(match last {
            Ok((Some(id), _)) if id.len() > ID_BYTES_MAX => {
                let detail = format!(
                    "the id of the last event has more than {ID_BYTES_MAX} bytes; send the `id` of an update, or none"
                );
                Err(Problem::new(Kind::BadParameter, detail))
            }
            last => last.map(|(id, is_preview)| Self {
                id: id.filter(|id| !id.is_empty()),
                is_preview,
            }),
        })
    }
}

impl Describe for LastEvent {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameters::<InQuery>("query");
        operation.parameters::<InHeader>("header");
        operation.problem(Kind::BadParameter);
    }
}
