//! Mute times: when alerts wait instead of being sent, as by Alertmanager's `mute_time_intervals` and
//! `active_time_intervals`. An alert that comes while they are muted is sent once that ends, so that none is lost.

use super::intervals::{Intervals, Named, next, quoted, without};
use super::settings::{Alerts, AlertsOverlay};
use crate::ledger::record::{Millis, Windows};
use crate::severity::Severity;

/// Checked mute times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Muting {
    mute: Vec<(String, Intervals)>,
    active: Option<(String, Intervals)>,
    critical: bool,
}

/// That alerts are muted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Muted {
    /// By what.
    pub why: String,
    /// When they are sent again; none if that is not within 400 days, in which case the alert is sent now.
    pub until: Option<Windows>,
}

impl Muting {
    /// What checked settings mean.
    pub(super) fn new(settings: &Alerts, named: &Named) -> Self {
        let mute = settings.mute.iter();
        let mute = mute.filter_map(|name| Some((name.clone(), named.get(name)?.clone())));
        let active = (!settings.active.is_empty())
            .then(|| (quoted(&settings.active), named.all(&settings.active)));
        Self {
            mute: mute.collect(),
            active,
            critical: settings.mute_critical,
        }
    }

    /// Whether an alert of a severity has to wait, and until when.
    pub fn muted(&self, severity: Severity, now: Millis) -> Option<Muted> {
        if severity == Severity::Critical && !self.critical {
            return None;
        }
        let mute = self.mute.iter().filter(|(_, one)| one.contains(now));
        let names: Vec<String> = mute.map(|(name, _)| name.clone()).collect();
        let why = if names.is_empty() {
            let inactive = self.active.as_ref().filter(|(_, one)| !one.contains(now));
            format!("alerts are sent only during {}", inactive?.0)
        } else {
            format!("alerts are muted during {}", quoted(&names))
        };
        let until = next(now, |within| {
            let active = self.active.as_ref();
            let mut spans =
                active.map_or_else(|| Some(vec![within]), |(_, one)| one.spans(within))?;
            for (_, mute) in &self.mute {
                spans = without(&spans, &mute.spans(within)?);
            }
            Some(spans)
        });
        Some(Muted { why, until })
    }
}

impl Alerts {
    /// Lays an overlay over these.
    #[must_use]
    pub fn with(&self, overlay: &AlertsOverlay) -> Self {
        Self {
            mute: overlay.mute.clone().unwrap_or_else(|| self.mute.clone()),
            active: overlay
                .active
                .clone()
                .unwrap_or_else(|| self.active.clone()),
            mute_critical: overlay.mute_critical.unwrap_or(self.mute_critical),
        }
    }
}
