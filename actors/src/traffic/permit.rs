//! The place of one request at the gate of its connection.

use std::sync::Arc;

use homeostat_logic::ledger::execution::Answer;
use homeostat_logic::traffic::{Limits, Pass};

use super::{LastOutcome, Traffic};
use crate::ports::connector::Heard;

/// Held while an action is bid for, its request is under way, or its target is asked; the place comes back when it is dropped.
#[must_use = "the place comes back when this is dropped"]
#[derive(Debug)]
pub(crate) struct Permit {
    traffic: Arc<Traffic>,
    connection: Arc<str>,
    limits: Limits,
    /// `None` once it was given back.
    pass: Option<Pass>,
}

impl Permit {
    pub(super) const fn new(
        traffic: Arc<Traffic>,
        connection: Arc<str>,
        limits: Limits,
        pass: Pass,
    ) -> Self {
        Self {
            traffic,
            connection,
            limits,
            pass: Some(pass),
        }
    }

    /// One more request leaves in the same place.
    pub(crate) fn charge(&self) {
        self.traffic.charge(&self.connection, &self.limits);
    }

    /// A request said something of its service.
    pub(crate) fn hear(&mut self, heard: &Heard) {
        let Self {
            traffic,
            connection,
            limits,
            pass,
        } = self;
        if let Some(pass) = pass {
            traffic.hear(connection, pass, heard, limits);
        }
    }

    /// The request ended.
    pub(crate) fn answered(mut self, answer: &Answer, heard: &Heard) {
        self.hear(heard);
        let last = LastOutcome::new(answer, self.traffic.clock.now());
        self.traffic.ended(&self.connection, last);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.traffic.leave(&self.connection, pass);
        }
    }
}
