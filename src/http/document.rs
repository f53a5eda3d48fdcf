//! The OpenAPI 3.1 document, made of the routes and of the types of their handlers.

use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde_json::{Map, Value, json};

use super::describe::{Describe, Operation, Schemas};
use super::problem::{Instance, MEDIA_TYPE};
use super::route::Route;

const ABOUT: &str = "Publishes events and shows what was decided about them and why. Errors are problem documents (RFC 9457). A request must name this machine or one of `http.allowed_hosts` as its host (421 otherwise); a page may write only from there (403). Unknown query parameters are refused where there are any. A path with a trailing slash is answered like the one without.";
const TOKEN: &str = "The token that `http.operator_token` refers to. Where none is configured no orders are taken (403), and dead letters are replayed and resumed without one.";

const SENDERS: &str = "The token that `inbound.token` refers to, as a bearer token or as the password of any user; none is needed where none is configured.";
const USERS: &str = "A JSON Web Token of the user, signed by HS256 with the secret that `recommendations.push_secret` refers to, with `sub` = the user's id and `exp` at most 24 hours ahead; also as the query parameter `token`. None is needed where no secret is configured. The operator's token is accepted, too.";

/// The document of these routes.
pub(super) fn document(routes: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path()).or_insert_with(|| json!({}));
        let operation = operation(route, &mut schemas);
        if let Value::Object(methods) = path {
            methods.insert(route.method().to_lowercase(), operation);
        }
    }
    let problem = schemas.written::<Instance>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Homeostat",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8470"}],
        "paths": paths,
        "components": {
            "responses": {
                "Problem": {
                    "description": "A problem document; `type` says which.",
                    "content": {MEDIA_TYPE: {"schema": problem}},
                },
            },
            "schemas": schemas.into_named(),
            "securitySchemes": {
                "operatorToken": {"type": "http", "scheme": "bearer", "description": TOKEN},
                "userToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": USERS},
                "inboundToken": {"type": "http", "scheme": "bearer", "description": SENDERS},
                "inboundPassword": {"type": "http", "scheme": "basic", "description": SENDERS},
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut operation = Operation::new(schemas);
    route.describe(&mut operation);
    let mut fields = operation.into_fields();
    let texts = [
        ("operationId", route.name),
        ("summary", route.summary),
        ("description", route.details),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        fields.insert(name.to_owned(), json!(text));
    }
    Value::Object(fields)
}

/// The document as it is sent.
pub(super) struct Document(Bytes);

impl Document {
    pub(super) fn of(routes: &[Route]) -> Self {
        Self(document(routes).to_string().into())
    }
}

/// The route of the document itself.
pub(super) fn route() -> Route {
    Route::get("/api/v1/openapi.json", "openapi", show).summary("This document")
}

async fn show(document: Data<Document>) -> Shown {
    Shown(document.0.clone())
}

struct Shown(Bytes);

impl Responder for Shown {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(self.0)
    }
}

impl Describe for Shown {
    fn describe(operation: &mut Operation<'_>) {
        let object = json!({"type": "object"});
        operation.answer(200, "OpenAPI 3.1.", "application/json", &object);
    }
}
