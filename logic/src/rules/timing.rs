//! When a rule lets things happen, resolved for one event type and target: working hours, maintenance windows, mute times.

use super::fault::RuleError;
use super::hours::Hours;
use super::intervals::{Intervals, Named};
use super::maintenance::Schedule;
use super::muting::Muting;
use super::settings::{
    AlertsOverlay, MaintenanceOverlay, RuleOverlay, RuleSettings, TargetOverlay,
    WorkingHoursOverlay,
};

/// When a rule lets things happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// When retraining and rollback are allowed.
    pub hours: Hours,
    /// When scheduled actions start.
    pub maintenance: Schedule,
    /// When alerts wait.
    pub muting: Muting,
}

impl Timing {
    /// The layers over each other: global, that of the event type, that of the target, and that of the event type there.
    pub(super) fn of(
        settings: &RuleSettings,
        named: &Named,
        general: Option<&RuleOverlay>,
        target: Option<&TargetOverlay>,
        event_type: &str,
    ) -> Self {
        let layers = layers(general, target, event_type);
        let (mut hours, mut maintenance, mut alerts) = (
            settings.working_hours.clone(),
            settings.maintenance.clone(),
            settings.alerts.clone(),
        );
        for layer in layers.into_iter().flatten() {
            hours = hours.with(layer.hours);
            maintenance = maintenance.with(layer.maintenance);
            alerts = alerts.with(layer.alerts);
        }
        Self {
            hours: Hours::new(&hours, named),
            maintenance: Schedule::new(&maintenance, named),
            muting: Muting::new(&alerts, named),
        }
    }
}

/// What one layer says.
#[derive(Clone, Copy)]
struct Layer<'a> {
    hours: &'a WorkingHoursOverlay,
    maintenance: &'a MaintenanceOverlay,
    alerts: &'a AlertsOverlay,
}

impl<'a> From<&'a RuleOverlay> for Layer<'a> {
    fn from(rule: &'a RuleOverlay) -> Self {
        Self {
            hours: &rule.working_hours,
            maintenance: &rule.maintenance,
            alerts: &rule.alerts,
        }
    }
}

impl<'a> From<&'a TargetOverlay> for Layer<'a> {
    fn from(target: &'a TargetOverlay) -> Self {
        Self {
            hours: &target.working_hours,
            maintenance: &target.maintenance,
            alerts: &target.alerts,
        }
    }
}

fn layers<'a>(
    general: Option<&'a RuleOverlay>,
    target: Option<&'a TargetOverlay>,
    event_type: &str,
) -> [Option<Layer<'a>>; 3] {
    let own = target.and_then(|target| target.rules.get(event_type));
    [
        general.map(Layer::from),
        target.map(Layer::from),
        own.map(Layer::from),
    ]
}

/// The intervals of every name. Reports what is wrong with them, and with the keys that use them.
pub(super) fn named(settings: &RuleSettings, errors: &mut Vec<RuleError>) -> Named {
    let mut named = Named::default();
    for (name, written) in &settings.time_intervals {
        match Intervals::new(written) {
            Ok(intervals) => named.insert(name.clone(), intervals),
            Err(faults) => errors.extend(faults.into_iter().map(|(number, fault)| RuleError {
                key: format!("time_intervals.{name}[{number}]"),
                problem: fault.to_string(),
            })),
        }
    }
    let (hours, maintenance, alerts) = general(settings);
    let general = Layer {
        hours: &hours,
        maintenance: &maintenance,
        alerts: &alerts,
    };
    let mut layers = vec![(String::new(), general)];
    let of_rules = |path: &str, (name, rule)| (format!("{path}rules.{name}."), Layer::from(rule));
    layers.extend(settings.rules.iter().map(|rule| of_rules("", rule)));
    for (name, target) in &settings.targets {
        let path = format!("targets.{name}.");
        layers.extend(target.rules.iter().map(|rule| of_rules(&path, rule)));
        layers.push((path, target.into()));
    }
    for (path, layer) in layers {
        errors.extend(faults(&path, layer, settings));
    }
    named
}

/// The global sections as a layer.
fn general(settings: &RuleSettings) -> (WorkingHoursOverlay, MaintenanceOverlay, AlertsOverlay) {
    let (hours, maintenance, alerts) = (
        &settings.working_hours,
        &settings.maintenance,
        &settings.alerts,
    );
    (
        WorkingHoursOverlay {
            during: Some(hours.during.clone()),
            ..WorkingHoursOverlay::default()
        },
        MaintenanceOverlay {
            windows: Some(maintenance.windows.clone()),
            days: Some(maintenance.days.clone()).filter(|_| maintenance.windows.is_empty()),
            start: Some(maintenance.start.clone()),
            end: Some(maintenance.end.clone()),
            timezone: None,
        },
        AlertsOverlay {
            mute: Some(alerts.mute.clone()),
            active: Some(alerts.active.clone()),
            mute_critical: None,
        },
    )
}

fn faults(path: &str, layer: Layer<'_>, settings: &RuleSettings) -> Vec<RuleError> {
    let lists = [
        ("working_hours.during", &layer.hours.during),
        ("maintenance.windows", &layer.maintenance.windows),
        ("alerts.mute", &layer.alerts.mute),
        ("alerts.active", &layer.alerts.active),
    ];
    let names = lists.into_iter().flat_map(|(key, names)| {
        let names = names.iter().flatten();
        names.map(move |name| (key, name))
    });
    let unknown = names.filter(|(_, name)| !settings.time_intervals.contains_key(*name));
    let mut faults: Vec<_> = unknown
        .map(|(key, name)| RuleError {
            key: format!("{path}{key}"),
            problem: format!("there is no list [[time_intervals.{name}]]"),
        })
        .collect();
    faults.extend(layer.maintenance.faults(&format!("{path}maintenance")));
    faults
}
