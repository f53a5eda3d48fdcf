//! What producers publish: events of every kind that leads to something, samples, duplicates, and records nobody can read.

use homeostat_logic::enrich::{Stamp, enrich_for};
use homeostat_logic::envelope::cloud_events::from_structured;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::topic::{self, Topic};

use crate::dice::Dice;
use crate::profile::DAY;

/// The source topics simulated, with their partitions.
pub(crate) fn sources() -> Vec<(&'static Topic, i32)> {
    let topics = [
        ("data.drift.detected", 2),
        ("model.performance.degraded", 2),
        ("system.alerts", 2),
        ("system.metrics", 1),
        ("data.ingested", 1),
    ];
    let partitions = |(name, count)| {
        let topic = topic::find(name).unwrap();
        (0..count).map(move |partition| (topic, partition))
    };
    topics.into_iter().flat_map(partitions).collect()
}

/// What has to become of a source record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A proposal in the ledger.
    Proposal,
    /// A dead letter.
    Letter,
    /// It is only counted.
    Nothing,
}

/// A record as it is published.
pub(crate) struct Published {
    pub(crate) value: Vec<u8>,
    pub(crate) timestamp: Millis,
    pub(crate) due: Due,
}

const POISON: [&[u8]; 4] = [b"\xff\xfe", b"[1,2]", b"{\"severity\":", b""];

pub(crate) fn publish(dice: &mut Dice, topic: &Topic, now: Millis, poison: i64) -> Published {
    // Producers stamp events; some lie, some were away for long.
    let timestamp = match dice.roll(12) {
        0 => now - 3 * DAY,
        1 => now + DAY,
        _ => now,
    };
    if dice.per_mille(poison) {
        let value = dice.pick(&POISON).to_vec();
        let due = Due::Letter;
        return Published {
            value,
            timestamp,
            due,
        };
    }
    let (text, due) = event(dice, topic);
    let value = match dice.roll(3) {
        0 => cloud_event(dice, topic, &text, now),
        1 => enriched(dice, topic, &text, now),
        _ => text.into_bytes(),
    };
    Published {
        value,
        timestamp,
        due,
    }
}

fn event(dice: &mut Dice, topic: &Topic) -> (String, Due) {
    let model = dice.pick(&["m1", "m2"]);
    let service = dice.pick(&["s1", "s2"]);
    let severity = dice.pick(&["low", "medium", "medium", "high", "critical", "odd"]);
    let tenth = dice.roll(10);
    match topic.name {
        "data.drift.detected" => (
            format!(
                r#"{{"model_version":"{model}@3","severity":"{severity}","drift_score":0.{tenth}}}"#
            ),
            Due::Proposal,
        ),
        "model.performance.degraded" => {
            let required = dice.pick(&["NONE", "RETRAIN", "ROLLBACK", "DANCE"]);
            (
                format!(
                    r#"{{"model_name":"{model}","severity":"{severity}","performance_drop":0.0{tenth},"action_required":"{required}"}}"#
                ),
                Due::Proposal,
            )
        }
        "system.alerts" => {
            let kind = dice.pick(&[
                "system_overload",
                "prediction_latency_high",
                "service_health_check_failed",
                "disk_on_fire",
            ]);
            (
                format!(
                    r#"{{"event_type":"{kind}","service":"{service}","severity":"{severity}","instances":3}}"#
                ),
                Due::Proposal,
            )
        }
        "system.metrics" => (format!(r#"{{"cpu":0.{tenth}}}"#), Due::Nothing),
        _ => (format!(r#"{{"rows":{tenth}}}"#), Due::Proposal),
    }
}

/// Few names, so that producers name two events alike, as one that retries does.
fn cloud_event(dice: &mut Dice, topic: &Topic, data: &str, now: Millis) -> Vec<u8> {
    let id = dice.roll(40);
    let envelope = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"simulation","type":"any","data":{data}}}"#
    );
    let bare = from_structured(envelope.as_bytes()).unwrap();
    enriched(dice, topic, &bare.text, now)
}

fn enriched(dice: &mut Dice, topic: &Topic, text: &str, now: Millis) -> Vec<u8> {
    let event_id = dice.id().as_uuid();
    let stamp = Stamp {
        event_id: &event_id,
        time: now,
    };
    enrich_for(topic, text.as_bytes(), stamp)
        .unwrap()
        .text
        .into_bytes()
}
