//! A place in the hub for the connection of a request, and that no page of another site takes it.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use homeostat_logic::push::ending::Channel;

use super::access::UserAccess;
use super::last_event::LastEvent;
use crate::http::connections::Connection;
use crate::http::describe::{Describe, Operation};
use crate::http::guard;
use crate::http::hosts::Hosts;
use crate::http::problem::{Kind, Problem};
use crate::push::{Full, Hub, Seat, Socket, Wanted};

/// The request is not from a page of another site.
pub(super) struct OwnPage;

impl FromRequest for OwnPage {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let hosts = request.app_data::<Data<Hosts>>();
        let checked = hosts.map_or(Ok(()), |hosts| guard::check_reader(hosts, request));
        ready(checked.map(|()| Self))
    }
}

impl Describe for OwnPage {
    fn describe(operation: &mut Operation<'_>) {
        operation.problem(Kind::CrossSite);
    }
}

/// Takes a place; from then on the hub bounds the connection, and no longer the server.
pub(super) fn take(
    hub: &Data<Hub>,
    request: &HttpRequest,
    access: &UserAccess,
    channel: Channel,
    last: LastEvent,
) -> Result<Seat, Problem> {
    let socket = request
        .conn_data::<Connection>()
        .and_then(Connection::leave)
        .map(|socket| Socket::new(socket, hub.settings().patience))
        .transpose();
    let socket = socket.map_err(|error| {
        let detail = format!("the connection cannot be watched: {error}");
        Problem::new(Kind::Internal, detail)
    })?;
    let wanted = Wanted {
        user: access.user(),
        channel,
        socket,
        last: last.id,
        is_preview: last.is_preview,
        lasts: access.lasts(),
    };
    let hub: &Arc<Hub> = hub;
    Seat::take(hub, wanted).map_err(|full| {
        let detail = match full {
            Full::Total(places) => format!(
                "all {places} connections of users are taken; try again later, or raise recommendations.push.total_max and the process's limit of open files"
            ),
            Full::Ending => "the service ends; connect again, to another instance".to_owned(),
        };
        Problem::new(Kind::NoPlace, detail)
    })
}
