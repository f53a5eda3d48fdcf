//! What Grafana's alerting sends to a webhook contact point: Alertmanager's payload with values, links and a title, which
//! stay in the event.

use serde_json::{Value, json};

use super::{Form, Payload, Read, alerts};
use crate::payload_fault::PayloadFault;

pub(super) struct Grafana;

impl Form for Grafana {
    fn name(&self) -> &'static str {
        "grafana"
    }

    fn sender(&self) -> &'static str {
        "Grafana alerting: a contact point of the kind Webhook"
    }

    fn example(&self) -> Value {
        alerts::example(&[
            ("version", json!("1")),
            ("orgId", json!(1)),
            ("state", json!("alerting")),
        ])
    }

    fn read(&self, payload: &Payload<'_>) -> Result<Read, PayloadFault> {
        alerts::read(self, "com.grafana.alert", payload)
    }
}
