//! Events in envelopes (issue 13, row 5): each form, and forms within forms.

mod opened;
mod refused;

use homeostat_logic::envelope::{Decoded, HeaderView, decode_record};
use homeostat_logic::event::{Names, Reject};
use homeostat_logic::topic;
use serde_json::{Value, json};

const DRIFT: &str = "data.drift.detected";

const STRUCTURED: HeaderView<'static> = (
    "Content-Type",
    b"Application/CloudEvents+JSON; charset=UTF-8",
);

fn decoded(topic_name: &str, value: &[u8], headers: &[HeaderView<'_>]) -> Result<Decoded, Reject> {
    let topic = topic::find(topic_name).unwrap();
    decode_record(Some(value), headers, topic, &mut Names::default())
}

fn confluent(schema_id: u32, data: &[u8]) -> Vec<u8> {
    [&[0][..], &schema_id.to_be_bytes(), data].concat()
}

fn cloud_event(data: &Value) -> Value {
    json!({"specversion": "1.0", "id": "A-1", "source": "/monitor", "type": "com.acme.drift",
           "time": "2026-03-02T11:59:00Z", "subject": "churn", "data": data})
}

fn connect(payload: &Value) -> Value {
    json!({"schema": {"type": "struct", "optional": false, "fields": []}, "payload": payload})
}

fn change(operation: &str, after: &Value) -> Value {
    json!({"before": null, "after": after, "op": operation, "ts_ms": 1_772_452_740_000_i64,
           "source": {"connector": "postgresql", "table": "drift"}, "transaction": null})
}

fn event() -> Value {
    json!({"model_version": "churn@7", "severity": "HIGH", "drift_score": 0.7, "window": {"from": 1}})
}
