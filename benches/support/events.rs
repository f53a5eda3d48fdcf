//! Events as platforms send them: SPEC's fields, and some that nobody looks at.

use std::collections::BTreeMap;

use homeostat_logic::rules::Rules;
use homeostat_logic::topic::{Topic, find};

/// A type of event: its name, the topic it arrives on, and one event.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) event: fn(u64) -> String,
}

impl Sample {
    pub(crate) fn topic(&self) -> &'static Topic {
        find(self.topic).unwrap()
    }
}

pub(crate) const SAMPLES: [Sample; 6] = [
    Sample {
        name: "data_drift_detected",
        topic: "data.drift.detected",
        event: drift,
    },
    Sample {
        name: "model_performance_degraded",
        topic: "model.performance.degraded",
        event: performance,
    },
    Sample {
        name: "system_overload",
        topic: "system.alerts",
        event: overload,
    },
    Sample {
        name: "model_deployed",
        topic: "model.deployed",
        event: deployed,
    },
    Sample {
        name: "user_interaction",
        topic: "business.user.interaction",
        event: interaction,
    },
    Sample {
        name: "system_metrics",
        topic: "system.metrics",
        event: metrics,
    },
];

/// About 450 bytes.
pub(crate) fn drift(number: u64) -> String {
    let (model, score) = (number % 50, 0.3 + (number % 60) as f64 / 100.0);
    format!(
        r#"{{"event_id":"7f8c2f52-3f0e-4c5e-9a25-{number:012}","event_type":"data_drift_detected","timestamp":"2026-03-02T12:00:00.{:03}+00:00","source":"mlops_system","severity":"HIGH","model_version":"recommender_{model}@2.{}.1","drift_score":{score:.4},"affected_features":["user_age","watch_time","genre_affinity","session_length"],"metadata":{{"window":"1h","reference":"2026-02-01","test":"psi","samples":{},"detector":"evidently"}}}}"#,
        number % 1000,
        number % 9,
        10_000 + number % 5_000,
    )
}

fn performance(number: u64) -> String {
    format!(
        r#"{{"event_id":"7f8c2f52-3f0e-4c5e-9a26-{number:012}","event_type":"model_performance_degraded","timestamp":"2026-03-02T12:00:00+00:00","source":"monitoring","severity":"medium","model_name":"recommender_{}","action_required":"RETRAIN","performance_drop":0.12,"current_performance":0.74,"baseline_performance":0.86,"metric":"ndcg@10"}}"#,
        number % 50
    )
}

fn overload(number: u64) -> String {
    format!(
        r#"{{"event_id":"7f8c2f52-3f0e-4c5e-9a27-{number:012}","event_type":"system_overload","timestamp":"2026-03-02T12:00:00+00:00","severity":"critical","service":"api-{}","cpu":0.97,"memory":0.81,"instances":4}}"#,
        number % 50
    )
}

fn deployed(number: u64) -> String {
    format!(
        r#"{{"event_id":"7f8c2f52-3f0e-4c5e-9a28-{number:012}","model_name":"recommender_{}","version":"7","stage":"production","deployed_by":"pipeline","timestamp":"2026-03-02T12:00:00+00:00"}}"#,
        number % 50
    )
}

fn interaction(number: u64) -> String {
    format!(
        r#"{{"event_id":"7f8c2f52-3f0e-4c5e-9a29-{number:012}","user_id":"user_{}","item_id":"movie_{}","interaction_type":"view","timestamp":"2026-03-02T12:00:00+00:00","session_id":"s-{}","context":{{"device":"tv","position":3,"page":"home","experiment":"b","genres":["drama","comedy"]}}}}"#,
        number % 100_000,
        number % 9_000,
        number % 70_000
    )
}

fn metrics(number: u64) -> String {
    format!(
        r#"{{"timestamp":"2026-03-02T12:00:00+00:00","service":"api-{}","cpu":0.42,"memory":0.55,"requests_per_second":812.5,"latency_ms":{{"p50":11.2,"p99":48.9}}}}"#,
        number % 50
    )
}

/// The shipped rules with an overlay on top.
pub(crate) fn rules(overlay: &str) -> Rules {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("overlay.toml");
    std::fs::write(&file, overlay).unwrap();
    let configuration = homeostat::configuration::load(&[file], BTreeMap::new()).unwrap();
    Rules::new(&configuration.rules).unwrap()
}
