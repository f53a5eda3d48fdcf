//! The bound of requests to one model, and its breaker; a place is given back however the request ends.

use std::time::Instant;

use homeostat_logic::traffic::{self, Limits, Pass, Signal, Wait};
use parking_lot::Mutex;

/// The gate of one model.
#[derive(Debug)]
pub(super) struct Gate {
    began: Instant,
    gate: Mutex<traffic::Gate>,
}

/// The place of one request.
pub(super) struct Place<'a> {
    gate: &'a Gate,
    pass: Option<Pass>,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            gate: Mutex::new(traffic::Gate::new(std::time::Duration::ZERO)),
        }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// What it would have to wait for; a recommendation does not wait.
    pub(super) fn enter(&self, limits: &Limits) -> Result<Place<'_>, Wait> {
        let now = self.began.elapsed();
        let pass = self.gate.lock().enter(limits, 0, 0, now)?;
        Ok(Place {
            gate: self,
            pass: Some(pass),
        })
    }
}

impl Place<'_> {
    /// What the end of the request says of the server.
    pub(super) fn hear(&mut self, signal: Signal, limits: &Limits) {
        if let Some(pass) = &mut self.pass {
            let now = self.gate.began.elapsed();
            self.gate.gate.lock().hear(pass, signal, limits, now);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.gate.gate.lock().leave(pass);
        }
    }
}
