//! Errors as problem documents (RFC 9457).

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, ResponseError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// Media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The closed list of problems. Each has one type URI, one title and one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing at this path.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// A query parameter is unknown, repeated or has a bad value.
    BadParameter,
    /// The topic is not one of SPEC §1.
    UnknownTopic,
    /// The topic is the service's own.
    InternalTopic,
    /// No decision of this id.
    UnknownDecision,
    /// No dead letter of this id.
    UnknownDeadLetter,
    /// No item of this id.
    UnknownItem,
    /// The body is no event.
    MalformedEvent,
    /// An event in an envelope or a form that is recognised and cannot be read.
    UnreadableForm,
    /// The body, an event or the number of events is beyond its limit.
    TooLarge,
    /// The body is in a form that is not read.
    UnsupportedMediaType,
    /// The request comes from another site's page in a browser.
    CrossSite,
    /// The request is meant for another host.
    Misdirected,
    /// The client took too long to send its request.
    SlowRequest,
    /// The log will never take this record.
    RefusedByLog,
    /// The log did not take everything; trying again may help.
    LogUnavailable,
    /// The log did not answer in time.
    LogTimeout,
    /// Too much is going on; trying again may help.
    Busy,
    /// The service does not do its work.
    NotReady,
    /// No operator token is configured.
    NoOperatorToken,
    /// The operator token is missing.
    Unauthorized,
    /// The operator token is another one.
    WrongToken,
    /// No secret is configured with which senders of this form sign.
    NoInboundSecret,
    /// The sender of a payload did not show what it must, or showed something else.
    UnknownSender,
    /// What is a user's needs his token, and the request has none.
    NoUserToken,
    /// The token of a user is not valid.
    WrongUserToken,
    /// The token is another user's.
    OtherUser,
    /// No further connection of a user is held.
    NoPlace,
    /// Recommendations are switched off.
    NoRecommendations,
    /// Nothing is known of the user.
    UnknownUser,
    /// The store of users does not answer; trying again may help.
    StoreUnavailable,
    /// The path takes handshakes of a `WebSocket` only.
    UpgradeRequired,
    /// An order without a usable key.
    BadIdempotencyKey,
    /// The key was used for another order.
    IdempotencyKeyReused,
    /// The body is no order.
    MalformedOrder,
    /// No action of this id.
    UnknownAction,
    /// The order was read and has no effect.
    OrderRefused,
    /// The order is not read back yet.
    NotReadBack,
    /// Something actix itself refused.
    BadRequest,
    /// A bug.
    Internal,
}

impl Kind {
    /// Its status.
    pub const fn status(self) -> StatusCode {
        self.parts().2
    }

    #[allow(clippy::too_many_lines, reason = "a table")]
    const fn parts(self) -> (&'static str, &'static str, StatusCode) {
        use StatusCode as Code;
        match self {
            Self::NotFound => ("not-found", "nothing here", Code::NOT_FOUND),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                "method not allowed",
                Code::METHOD_NOT_ALLOWED,
            ),
            Self::BadParameter => ("bad-parameter", "bad query parameter", Code::BAD_REQUEST),
            Self::UnknownTopic => ("unknown-topic", "unknown topic", Code::NOT_FOUND),
            Self::InternalTopic => ("internal-topic", "internal topic", Code::FORBIDDEN),
            Self::UnknownDecision => ("unknown-decision", "unknown decision", Code::NOT_FOUND),
            Self::UnknownDeadLetter => (
                "unknown-dead-letter",
                "unknown dead letter",
                Code::NOT_FOUND,
            ),
            Self::UnknownItem => ("unknown-item", "unknown item", Code::NOT_FOUND),
            Self::MalformedEvent => ("malformed-event", "malformed event", Code::BAD_REQUEST),
            Self::UnreadableForm => (
                "unreadable-form",
                "event in a form that is not read",
                Code::UNPROCESSABLE_ENTITY,
            ),
            Self::TooLarge => ("too-large", "too large", Code::PAYLOAD_TOO_LARGE),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                "unsupported media type",
                Code::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::CrossSite => ("cross-site", "request from another site", Code::FORBIDDEN),
            Self::Misdirected => (
                "misdirected",
                "not a host of this service",
                Code::MISDIRECTED_REQUEST,
            ),
            Self::SlowRequest => ("slow-request", "request too slow", Code::REQUEST_TIMEOUT),
            Self::RefusedByLog => (
                "refused-by-log",
                "refused by the event log",
                Code::UNPROCESSABLE_ENTITY,
            ),
            Self::LogUnavailable => (
                "log-unavailable",
                "event log unavailable",
                Code::SERVICE_UNAVAILABLE,
            ),
            Self::LogTimeout => ("log-timeout", "event log too slow", Code::GATEWAY_TIMEOUT),
            Self::Busy => (
                "busy",
                "too many requests at once",
                Code::SERVICE_UNAVAILABLE,
            ),
            Self::NotReady => ("not-ready", "not ready", Code::SERVICE_UNAVAILABLE),
            Self::NoOperatorToken => ("no-operator-token", "no orders are taken", Code::FORBIDDEN),
            Self::Unauthorized => ("unauthorized", "operator token needed", Code::UNAUTHORIZED),
            Self::WrongToken => ("wrong-token", "wrong operator token", Code::UNAUTHORIZED),
            Self::NoInboundSecret => (
                "no-inbound-secret",
                "no webhook secret is configured",
                Code::FORBIDDEN,
            ),
            Self::UnknownSender => ("unknown-sender", "sender not known", Code::UNAUTHORIZED),
            Self::NoUserToken => ("no-user-token", "user's token needed", Code::UNAUTHORIZED),
            Self::WrongUserToken => (
                "wrong-user-token",
                "user's token not valid",
                Code::UNAUTHORIZED,
            ),
            Self::OtherUser => ("other-user", "token of another user", Code::FORBIDDEN),
            Self::NoPlace => (
                "no-place",
                "too many connections of users",
                Code::SERVICE_UNAVAILABLE,
            ),
            Self::NoRecommendations => (
                "no-recommendations",
                "recommendations are switched off",
                Code::CONFLICT,
            ),
            Self::UnknownUser => ("unknown-user", "unknown user", Code::NOT_FOUND),
            Self::StoreUnavailable => (
                "store-unavailable",
                "user store unavailable",
                Code::SERVICE_UNAVAILABLE,
            ),
            Self::UpgradeRequired => (
                "upgrade-required",
                "WebSocket handshake needed",
                Code::UPGRADE_REQUIRED,
            ),
            Self::BadIdempotencyKey => (
                "bad-idempotency-key",
                "bad Idempotency-Key",
                Code::BAD_REQUEST,
            ),
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                "Idempotency-Key of another order",
                Code::UNPROCESSABLE_ENTITY,
            ),
            Self::MalformedOrder => ("malformed-order", "malformed order", Code::BAD_REQUEST),
            Self::UnknownAction => ("unknown-action", "unknown action", Code::NOT_FOUND),
            Self::OrderRefused => ("order-refused", "order refused", Code::CONFLICT),
            Self::NotReadBack => (
                "not-read-back",
                "order not read back yet",
                Code::SERVICE_UNAVAILABLE,
            ),
            Self::BadRequest => ("bad-request", "bad request", Code::BAD_REQUEST),
            Self::Internal => ("internal", "internal error", Code::INTERNAL_SERVER_ERROR),
        }
    }
}

/// A problem document as it is written, without the path that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ProblemOfLine")]
pub(super) struct Document {
    /// Which problem it is.
    #[serde(rename = "type")]
    #[schemars(extend("format" = "uri"))]
    uri: String,
    /// The problem in a few words.
    title: &'static str,
    /// The status of the answer, or of the line.
    status: u16,
    /// What, where, and what to do.
    detail: String,
    #[serde(flatten)]
    extensions: Map<String, Value>,
}

/// A problem document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Instance {
    #[serde(flatten)]
    document: Document,
    /// The path that was asked for.
    instance: String,
}

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    instance: Option<String>,
    allow: Option<&'static str>,
    extensions: Map<String, Value>,
}

impl Problem {
    /// A problem of a kind; the detail says what, where and what to do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            instance: None,
            allow: None,
            extensions: Map::new(),
        }
    }

    /// The methods that a path takes, for its 405.
    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let mut problem = Self::new(Kind::MethodNotAllowed, format!("this path takes {allow}"));
        problem.allow = Some(allow);
        problem
    }

    /// Which one it is.
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Type, title, status and detail, with its further members.
    pub(super) fn document(&self) -> Document {
        let (slug, title, status) = self.kind.parts();
        Document {
            uri: format!("urn:homeostat:problem:{slug}"),
            title,
            status: status.as_u16(),
            detail: self.detail.clone(),
            extensions: self.extensions.clone(),
        }
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// Names the path asked for.
    #[must_use]
    pub(super) fn at(mut self, path: &str) -> Self {
        self.instance = Some(path.to_owned());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let document = Instance {
            document: self.document(),
            instance: self.instance.clone().unwrap_or_default(),
        };
        let mut response = HttpResponse::build(self.status_code());
        if let Some(allow) = self.allow {
            response.insert_header((ALLOW, allow));
        }
        if matches!(
            self.kind,
            Kind::Busy
                | Kind::LogUnavailable
                | Kind::StoreUnavailable
                | Kind::LogTimeout
                | Kind::NotReadBack
        ) {
            response.insert_header((RETRY_AFTER, "1"));
        }
        match self.kind {
            // Places become free as users leave, not at once. The connection has left the server's table, so it ends.
            Kind::NoPlace => {
                response.insert_header((RETRY_AFTER, "10"));
                response.force_close();
            }
            Kind::UpgradeRequired => {
                response.insert_header((UPGRADE, "websocket"));
                response.insert_header((SEC_WEBSOCKET_VERSION, "13"));
            }
            _ => {}
        }
        // RFC 6750 §3: without credentials no error is named.
        match self.kind {
            Kind::Unauthorized | Kind::UnknownSender | Kind::NoUserToken => {
                response.insert_header((WWW_AUTHENTICATE, "Bearer"));
            }
            Kind::WrongToken | Kind::WrongUserToken => {
                response.insert_header((WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#));
            }
            _ => {}
        }
        // Keeps the content type that is set.
        response.content_type(MEDIA_TYPE).json(document)
    }
}
