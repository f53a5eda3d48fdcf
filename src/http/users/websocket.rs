//! `GET /api/v1/users/{id}/ws`: updates of a user's recommendations over a WebSocket (RFC 6455).

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, Responder};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, ProtocolError, Session};
use homeostat_logic::push::ending::{Channel, End};
use serde_json::json;
use tokio::time::Instant;

use super::access::UserAccess;
use super::last_event::LastEvent;
use super::place::{self, OwnPage};
use crate::http::describe::{Describe, Operation};
use crate::http::problem::{Kind, Problem};
use crate::http::route::Route;
use crate::push::{Event, Hub, Seat};

/// The subprotocol that is chosen if a client offers it, which it has to beside `bearer.TOKEN`.
const SUBPROTOCOL: &str = "homeostat";
/// Largest frame of a client; its contents are not looked at.
const FRAME_BYTES_MAX: usize = 4_096;
/// Frames of a client between two heartbeats, at most: it has nothing to say but answers to pings.
const FRAMES_MAX: u32 = 256;
/// Heartbeats after which a client that answers none is gone.
const HEARTBEATS_UNANSWERED: u32 = 3;

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::get("/api/v1/users/{id}/ws", "user_websocket", open)
        .summary("Updates of a user's recommendations as they change, over a WebSocket")
        .details("Each text frame is an update: JSON with `id`, `type` and the fields of the update. As over `…/stream`, the latest is sent at once unless the client has it. Pings keep the connection alive; frames of the client are ignored, and closed at if they are larger than 4 KiB. A browser shows its token as subprotocol: `new WebSocket(url, [\"homeostat\", \"bearer.\" + token])`. Close codes: 1001 the service ends, 4401 the token has expired, 4408 the client did not read or answer, 4410 the user was erased, 4429 the user opened too many others since.")
        .problems(&[Kind::NoPlace, Kind::UpgradeRequired])
        .exempt()
}

async fn open(
    request: HttpRequest,
    _: OwnPage,
    access: UserAccess,
    last: LastEvent,
    hub: Data<Hub>,
    payload: Payload,
) -> Result<Upgraded, Problem> {
    let shaken = actix_ws::handle_with_protocols(&request, payload, &[SUBPROTOCOL]);
    let (answer, session, messages) = shaken.map_err(|error| {
        let detail = format!("this path takes WebSockets only: {error}");
        Problem::new(Kind::UpgradeRequired, detail)
    })?;
    let seat = place::take(&hub, &request, &access, Channel::Websocket, last)?;
    let patience = hub.settings().heartbeat * HEARTBEATS_UNANSWERED;
    let messages = messages.max_frame_size(FRAME_BYTES_MAX);
    tokio::task::spawn_local(talk(seat, session, messages, patience));
    Ok(Upgraded(answer))
}

async fn talk(mut seat: Seat, mut session: Session, messages: MessageStream, patience: Duration) {
    let end = exchange(&mut seat, &mut session, messages, patience).await;
    seat.ends(end);
    let reason = CloseReason {
        code: CloseCode::from(end.code()),
        description: Some(end.reason().to_owned()),
    };
    // Fails only where the client is gone. The place is free when the last words are under way.
    session.close(Some(reason)).await.unwrap_or_default();
}

/// Sends what is new until one side ends it.
async fn exchange(
    seat: &mut Seat,
    session: &mut Session,
    mut messages: MessageStream,
    patience: Duration,
) -> End {
    let mut heard = Instant::now();
    let mut frames = 0;
    loop {
        let sent = tokio::select! {
            event = seat.next() => match event {
                Event::Update(update) => session.text(&*update.body).await,
                Event::Heartbeat if heard.elapsed() > patience => return End::Silent,
                Event::Heartbeat => {
                    frames = 0;
                    session.ping(b"").await
                }
                Event::End(end) => return end,
            },
            message = messages.recv() => {
                heard = Instant::now();
                frames += 1;
                match message {
                    _ if frames > FRAMES_MAX => return End::Protocol,
                    Some(Ok(Message::Ping(data))) => session.pong(&data).await,
                    Some(Ok(Message::Close(_)) | Err(ProtocolError::Io(_))) | None => return End::Left,
                    Some(Ok(_)) => Ok(()),
                    Some(Err(ProtocolError::Overflow)) => return End::FrameTooLarge,
                    Some(Err(_)) => return End::Protocol,
                }
            }
        };
        if sent.is_err() {
            return End::Left;
        }
    }
}

struct Upgraded(HttpResponse);

impl Responder for Upgraded {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl Describe for Upgraded {
    fn describe(operation: &mut Operation<'_>) {
        let text = json!({"type": "string"});
        let description = "The handshake is done; frames follow.";
        operation.answer(101, description, "text/plain", &text);
    }
}
