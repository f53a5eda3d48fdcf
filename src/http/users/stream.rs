//! `GET /api/v1/users/{id}/stream`: updates of a user's recommendations as server-sent events (WHATWG HTML §9.2).

use std::convert::Infallible;

use actix_web::body::{self, BoxBody};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, HeaderName, HeaderValue, ORIGIN, VARY,
};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder};
use futures_util::stream::{self, Stream};
use homeostat_logic::push::ending::{Channel, RETRY_MS};
use serde_json::json;

use super::access::UserAccess;
use super::last_event::LastEvent;
use super::place::{self, OwnPage};
use crate::http::describe::{Describe, Operation};
use crate::http::problem::{Kind, Problem};
use crate::http::route::Route;
use crate::push::{Event, Hub, Seat};

const MEDIA_TYPE: &str = "text/event-stream";
/// A comment: proxies and clients see that the connection is alive, pages see nothing.
const HEARTBEAT: &[u8] = b": alive\n\n";

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::get("/api/v1/users/{id}/stream", "user_stream", open)
        .summary("Updates of a user's recommendations as they change, as server-sent events")
        .details("Events of the type `recommendations_update`, with `id` and the update as JSON in `data`. The latest update is sent at once, unless it is the one that the client has (`Last-Event-ID`); an update replaces one that was not read yet. Comments keep the connection alive. The last event is of the type `closed` and says why. A user has `recommendations.push.per_user_max` connections; one more closes his oldest.")
        .problems(&[Kind::NoPlace])
        .exempt()
}

async fn open(
    request: HttpRequest,
    _: OwnPage,
    access: UserAccess,
    last: LastEvent,
    hub: Data<Hub>,
) -> Result<Events, Problem> {
    let mut answer = head(&request);
    if request.method() == Method::HEAD {
        // Its length is not that of nothing, so it is not named.
        let answer = answer.message_body(body::None::new());
        let answer = answer.map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
        return Ok(Events(answer.map_into_boxed_body()));
    }
    let seat = place::take(&hub, &request, &access, Channel::Sse, last)?;
    Ok(Events(answer.streaming(events(seat))))
}

fn head(request: &HttpRequest) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.content_type(MEDIA_TYPE);
    // Caches keep nothing, and proxies neither compress nor collect what has to arrive at once (nginx).
    answer.insert_header((CACHE_CONTROL, "no-store, no-transform"));
    answer.insert_header((HeaderName::from_static("x-accel-buffering"), "no"));
    // The page was let in (`OwnPage`); if it comes from another origin, its browser asks for that here.
    if let Some(origin) = request.headers().get(ORIGIN)
        && let Ok(origin) = HeaderValue::from_bytes(origin.as_bytes())
    {
        answer.insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, origin));
    }
    answer.insert_header((VARY, "Origin"));
    // The connection left the server's books for this stream.
    answer.force_close();
    answer
}

/// The seat's events as bytes. The first line says that the stream is there, and when to come back if it breaks.
fn events(seat: Seat) -> impl Stream<Item = Result<Bytes, Infallible>> {
    enum State {
        Opened(Seat),
        Goes(Seat),
        Over,
    }
    stream::unfold(State::Opened(seat), |state| async move {
        match state {
            State::Opened(seat) => {
                let first = Bytes::from(format!("retry: {RETRY_MS}\n: connected\n\n"));
                Some((Ok(first), State::Goes(seat)))
            }
            State::Goes(mut seat) => {
                let (bytes, next) = match seat.next().await {
                    Event::Update(update) => (update.as_event().into(), State::Goes(seat)),
                    Event::Heartbeat => (Bytes::from_static(HEARTBEAT), State::Goes(seat)),
                    Event::End(end) => (end.as_event(seat.number()).into(), State::Over),
                };
                Some((Ok(bytes), next))
            }
            State::Over => None,
        }
    })
}

struct Events(HttpResponse);

impl Responder for Events {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl Describe for Events {
    fn describe(operation: &mut Operation<'_>) {
        let text = json!({"type": "string"});
        operation.answer(200, "Events until one side ends it.", MEDIA_TYPE, &text);
    }
}
