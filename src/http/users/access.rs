//! Who may read what is a user's: the user with his token, and operators with theirs. Without `recommendations.push_secret`
//! anybody who reaches the API.
//!
//! The token is shown as `Authorization: Bearer`, as `?token=` (a browser's `EventSource` sends no headers of the page's), or as a
//! subprotocol `bearer.TOKEN` of a WebSocket.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, SEC_WEBSOCKET_PROTOCOL};
use actix_web::web::{Data, Query};
use actix_web::{FromRequest, HttpRequest};
use homeostat_actors::ports::clock::Clock;
use homeostat_logic::push::token::{self, Refusal};
use homeostat_logic::push::update::user_id;
use homeostat_logic::recommend::ID_BYTES_MAX;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::http::describe::{Describe, Operation};
use crate::http::problem::{Kind, Problem};
use crate::http::token::{Token, equal, of_scheme};
use crate::metrics::Metrics;
use crate::user_secret::UserSecret;

/// The query parameter of the token; handlers that read others read them beside it.
pub(in crate::http) const PARAMETER: &str = "token";
/// What is before the token in a subprotocol.
const SUBPROTOCOL: &str = "bearer.";

/// The user of the path `…/users/{id}/…`, and that the caller may read what is his. The first argument of a handler, so that
/// others are refused before anything else.
#[derive(Debug)]
pub(in crate::http) struct UserAccess {
    user: String,
    lasts: Option<Duration>,
}

impl UserAccess {
    /// The user's id.
    pub(in crate::http) fn user(&self) -> &str {
        &self.user
    }

    /// For how long from now on; `None`: without end, for operators and where no token is needed.
    pub(in crate::http) const fn lasts(&self) -> Option<Duration> {
        self.lasts
    }
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// The user's id, as text: 7 and "7" are one.
    #[schemars(length(min = 1, max = ID_BYTES_MAX), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$"))]
    id: String,
}

/// The token in the query.
#[derive(Deserialize, JsonSchema)]
struct Shown {
    /// The user's token, where no header can be sent. Proxies may write it into their logs.
    token: Option<String>,
}

impl FromRequest for UserAccess {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl Describe for UserAccess {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameters::<Named>("path");
        operation.parameters::<Shown>("query");
        operation.security(json!([{"userToken": []}, {"operatorToken": []}, {}]));
        for kind in [
            Kind::NoUserToken,
            Kind::WrongUserToken,
            Kind::OtherUser,
            Kind::BadRequest,
        ] {
            operation.problem(kind);
        }
    }
}

impl UserAccess {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let unreadable = |error: &dyn std::fmt::Display| {
            let detail = format!("the user id of the path cannot be used: {error}");
            Problem::new(Kind::BadRequest, detail)
        };
        let named: Result<Named, _> = request.match_info().load();
        let named = named.map_err(|error| unreadable(&error))?;
        let user = user_id(&named.id).map_err(|error| unreadable(&error))?;
        let user = user.to_owned();
        let Some(secret) = part::<UserSecret>(request)?.current() else {
            return Ok(Self { user, lasts: None });
        };
        let now = part::<dyn Clock>(request)?.now();
        let shown = shown(request);
        let operator = part::<Token>(request)?.0.as_ref();
        if let (Some(shown), Some(operator)) = (&shown, operator)
            && equal(shown.as_bytes(), operator.expose().as_bytes())
        {
            return Ok(Self { user, lasts: None });
        }
        let secret = secret.expose().as_bytes();
        let checked = shown.map_or(Err(Refusal::Missing), |shown| {
            token::verify_of(secret, &shown, &user, now)
        });
        let claims = checked.map_err(|refusal| refused(request, refusal))?;
        let lasts = u64::try_from(claims.expires.saturating_sub(now)).unwrap_or_default();
        Ok(Self {
            user,
            lasts: Some(Duration::from_millis(lasts)),
        })
    }
}

fn part<T: ?Sized + 'static>(request: &HttpRequest) -> Result<&Data<T>, Problem> {
    let missing = || Problem::new(Kind::Internal, "a part of the server is missing");
    request.app_data::<Data<T>>().ok_or_else(missing)
}

fn refused(request: &HttpRequest, refusal: Refusal) -> Problem {
    if let Some(metrics) = request.app_data::<Data<Metrics>>() {
        metrics.user_token_refusals.add([refusal.into()], 1);
    }
    let remedy = "send one that is signed with the secret of recommendations.push_secret (`homeostat users token ID` prints one)";
    let (kind, detail) = match refusal {
        Refusal::Missing => {
            let detail = format!(
                "this is readable with the token of its user, and the request has none: send it as `Authorization: Bearer TOKEN`, as `?{PARAMETER}=TOKEN`, or as subprotocol `{SUBPROTOCOL}TOKEN` of a WebSocket; `homeostat users token ID` prints one"
            );
            (Kind::NoUserToken, detail)
        }
        Refusal::OtherUser => {
            let detail =
                "the token of the request is another user's: its `sub` is not the id in the path";
            (Kind::OtherUser, detail.to_owned())
        }
        _ => {
            let detail =
                format!("the user's token of the request is not accepted: {refusal}; {remedy}");
            (Kind::WrongUserToken, detail)
        }
    };
    Problem::new(kind, detail)
}

/// The token, wherever it is; a header goes before the query, because a page chooses it more deliberately.
fn shown(request: &HttpRequest) -> Option<String> {
    let headers = request.headers();
    let bearer = headers.get_all(AUTHORIZATION).find_map(|credentials| {
        let bearer = of_scheme(credentials.as_bytes(), "Bearer")?;
        std::str::from_utf8(bearer).ok().map(str::to_owned)
    });
    let found = bearer.or_else(|| of_subprotocols(headers));
    found
        .or_else(|| {
            let query = Query::<Shown>::from_query(request.query_string());
            query.ok()?.into_inner().token
        })
        .filter(|token| !token.is_empty())
}

/// The token among the subprotocols that a WebSocket offers.
fn of_subprotocols(headers: &HeaderMap) -> Option<String> {
    let mut offered = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let token = offered.find_map(|one| one.trim().strip_prefix(SUBPROTOCOL))?;
    Some(token.to_owned())
}
