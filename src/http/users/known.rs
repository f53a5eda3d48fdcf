//! What is known of users, where recommendations are not switched off.

use std::sync::Arc;

use crate::http::problem::{Kind, Problem};
use crate::users::{UserError, Users};

/// What is known of users; `None`: recommendations are switched off.
pub(in crate::http) struct Known(pub(in crate::http) Option<Arc<Users>>);

impl Known {
    /// What is known of them.
    pub(in crate::http) fn users(&self) -> Result<&Users, Problem> {
        self.0.as_deref().ok_or_else(|| {
            let detail = "recommendations are switched off at this instance; set recommendations.enabled = true and start it again";
            Problem::new(Kind::NoRecommendations, detail)
        })
    }
}

/// Problems of every question about a user.
pub(super) const PROBLEMS: [Kind; 2] = [Kind::NoRecommendations, Kind::StoreUnavailable];

/// The problem of a question without an answer.
pub(in crate::http) fn unanswered(error: &UserError) -> Problem {
    match error {
        UserError::Unavailable(_) => Problem::new(Kind::StoreUnavailable, error.to_string()),
        UserError::Unreadable(_) => Problem::new(Kind::Internal, error.to_string()),
    }
}
