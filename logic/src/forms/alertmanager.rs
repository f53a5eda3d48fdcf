//! What Alertmanager sends to a webhook (version 4): each of its alerts is one event.

use serde_json::{Value, json};

use super::{Form, Payload, Read, alerts};
use crate::payload_fault::PayloadFault;

pub(super) struct Alertmanager;

impl Form for Alertmanager {
    fn name(&self) -> &'static str {
        "alertmanager"
    }

    fn sender(&self) -> &'static str {
        "Prometheus Alertmanager: a receiver with `webhook_configs`"
    }

    fn example(&self) -> Value {
        alerts::example(&[("version", json!("4"))])
    }

    fn read(&self, payload: &Payload<'_>) -> Result<Read, PayloadFault> {
        alerts::read(self, "io.prometheus.alertmanager.alert", payload)
    }
}
