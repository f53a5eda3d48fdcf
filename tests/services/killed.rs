//! The built binary is killed before a request leaves, or after the service answered and before that is written down. After a restart
//! and the attempt's lease there is one effect; where a kind never sends twice, none or one, and an unknown outcome for a person.

mod people;
mod platform;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::support::service::Launch;

const DRIFT: &str = "data.drift.detected";
/// Nothing of the request has left; the service has answered.
const POINTS: [(&str, bool); 2] = [
    ("executor::before_send", false),
    ("executor::after_send", true),
];
/// Milliseconds from the kill to the restart by the service's clock: past the lease of the attempt.
const LATER: &str = "600000";

/// An action over a connection of a kind.
struct Case {
    action: &'static str,
    /// Keys of the connection, with its kind.
    connection: String,
    /// Keys of the action, `with` among them.
    keys: String,
    /// The target of the event.
    model: String,
    environment: Vec<(&'static str, String)>,
    /// What each effect at the service is known by, after the service of the data folder was stopped.
    effects: Box<dyn Fn(&Path) -> Vec<String>>,
}

/// Whether the kind sends again what is in doubt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    SentAgain,
    LeftToPeople,
}

/// Kills the service at each point, with a case of its own.
fn killed(doubt: Doubt, case: impl Fn() -> Case + Sync) {
    std::thread::scope(|scope| {
        for (point, left) in POINTS {
            let case = &case;
            scope.spawn(move || killed_at(point, left, doubt, &case()));
        }
    });
}

fn killed_at(point: &str, left: bool, doubt: Doubt, case: &Case) {
    let Case {
        action,
        connection,
        keys,
        ..
    } = case;
    let mut launch = Launch::new().overlay(&format!(
        "[rules.data_drift_detected]\nhigh = \"{action}\"\n[connections.service]\n{connection}\n\
         [actions.{action}]\nconnection = \"service\"\n{keys}\n"
    ));
    for (name, value) in &case.environment {
        launch = launch.environment(name, value);
    }
    let clock = launch.folder().join("clock");
    std::fs::write(&clock, "0").unwrap();
    let launch = launch.environment("HOMEOSTAT_CLOCK_OFFSET", clock.to_str().unwrap());
    let armed = launch
        .clone()
        .environment("FAILPOINTS", &format!("{point}=return"));
    let mut service = armed.start();
    let id = format!("event-{}", fastrand::u64(..));
    let event = json!({
        "event_id": id, "model_version": format!("{}@3", case.model), "severity": "HIGH",
    });
    // It may end before it answers; the event is in its log by then.
    service.try_post(&format!("/api/v1/events/{DRIFT}"), event.to_string());
    let (status, said) = service.ended();
    assert!(!status.success(), "{point}: {said}");
    std::fs::write(&clock, LATER).unwrap();
    let service = launch.start();
    let ids = [id];
    let decision = service.decided(&ids).remove(&ids[0]).unwrap();
    let story = service.story(&decision);
    service.stop();
    let mut effects = (case.effects)(&launch.folder().join("data"));
    // That people were alerted about what is left to them is an alert of its own.
    effects.retain(|known_by| !known_by.contains("action failed"));
    let known: BTreeSet<&String> = effects.iter().collect();
    let attempts = story["attempts"].as_array().unwrap().len();
    let found = (decision["outcome"].as_str().unwrap(), known.len(), attempts);
    let expected = match doubt {
        Doubt::SentAgain => ("executed", 1, 2),
        Doubt::LeftToPeople => ("unknown", usize::from(left), 1),
    };
    assert_eq!(found, expected, "{point}: {effects:?} {story:#}");
    if doubt == Doubt::LeftToPeople {
        assert_eq!(effects.len(), usize::from(left), "{point}: {effects:?}");
    }
}
