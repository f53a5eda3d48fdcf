//! Answers with a status of their own, in JSON.

use actix_web::body::BoxBody;
use actix_web::{HttpRequest, HttpResponse, Responder};
use schemars::JsonSchema;
use serde::Serialize;

use super::describe::{Describe, Operation};

/// 202: everything that was sent is durable.
pub(super) struct Accepted<T>(pub(super) T);

impl<T: Serialize> Responder for Accepted<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Accepted().json(self.0)
    }
}

impl<T: JsonSchema> Describe for Accepted<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.json_answer::<T>(202);
    }
}
