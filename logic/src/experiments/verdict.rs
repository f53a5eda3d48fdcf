//! A significant drop of an arm or a model, published once an episode as `model.performance.degraded`.
//!
//! An episode begins with a drop that is significant and at least [`StatisticsSettings::drop_min`]. It ends when the drop is
//! not significant and less than half of that, or when nothing could be compared for [`QUIET_DAYS`] days. Another model is
//! another episode. Arms of an experiment whose users are not divided as declared give no verdict.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arms::Experiment;
use super::baseline::{self, name_of};
use super::compare::{self, Compared};
use super::counts::{Counts, DAY_MS, Day};
use super::guardrails::Standing;
use super::inference::Interval;
use super::metric::Metric;
use super::ratio::Ratio;
use super::settings::StatisticsSettings;
use crate::clock_text::format_time;
use crate::ledger::record::{Id, Millis};
use crate::model_reference;
use crate::topic::SOURCE;

/// Episodes that are known at the same time; at the bound the oldest is forgotten.
pub const EPISODES_MAX: usize = 1_000;
/// Days without a comparison after which an episode is over.
pub const QUIET_DAYS: Millis = 8;

/// Where a verdict is published.
pub const TOPIC: &str = "model.performance.degraded";

/// What dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// The model, as impressions name it.
    pub model: String,
    /// Its experiment; empty for a comparison with its own past.
    pub experiment: String,
    /// Its arm.
    pub arm: String,
    /// What dropped.
    pub metric: Metric,
}

/// A drop.
#[derive(Clone, Debug, PartialEq)]
pub struct Degraded {
    /// What dropped.
    pub subject: Subject,
    /// What it is compared with, in words: `arm control`, or `its past 14 days`.
    pub against: String,
    /// The model that it is compared with, as impressions name it.
    pub against_model: String,
    /// The metric now.
    pub current: f64,
    /// The metric that it is compared with.
    pub baseline: f64,
    /// Users now.
    pub users: f64,
    /// Current less baseline, with probability 1 - alpha at all times together. For a guardrail, less the value allowed.
    pub interval: Interval,
    /// When it was found.
    pub time: Millis,
}

/// The episodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watch {
    episodes: Vec<(Subject, Episode)>,
}

/// An episode that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// When it was found.
    pub since: Millis,
    /// When it was last compared.
    pub looked: Millis,
}

/// What a look says of a subject.
struct Look {
    drop: Degraded,
    significant: bool,
}

impl Watch {
    /// Looks at all arms and models, and gives the drops that begin an episode.
    pub fn look(
        &mut self,
        counts: &Counts,
        experiments: &[Experiment],
        settings: &StatisticsSettings,
        now: Millis,
    ) -> Vec<Degraded> {
        let mut looks = arms(counts, experiments, settings, now);
        looks.extend(pasts(counts, settings, now));
        let mut begun = Vec::new();
        for look in looks {
            let subject = &look.drop.subject;
            let known = self.episodes.iter_mut().find(|(one, _)| one == subject);
            match known {
                Some((_, episode)) => {
                    episode.looked = now;
                    if !look.significant && look.drop.relative() < settings.drop_min / 2.0 {
                        self.episodes.retain(|(one, _)| one != subject);
                    }
                }
                None if look.significant && look.drop.relative() >= settings.drop_min => {
                    if self.episodes.len() >= EPISODES_MAX {
                        self.episodes.remove(0);
                    }
                    let episode = Episode {
                        since: now,
                        looked: now,
                    };
                    self.episodes.push((subject.clone(), episode));
                    begun.push(look.drop);
                }
                None => {}
            }
        }
        let oldest = now.saturating_sub(QUIET_DAYS * DAY_MS);
        self.episodes.retain(|(_, episode)| episode.looked > oldest);
        begun
    }

    /// The episodes that go on.
    pub fn episodes(&self) -> &[(Subject, Episode)] {
        &self.episodes
    }
}

/// Arms beside their control, of the experiments whose users are divided as declared.
fn arms(
    counts: &Counts,
    experiments: &[Experiment],
    settings: &StatisticsSettings,
    now: Millis,
) -> Vec<Look> {
    let mut looks = Vec::new();
    let trusted = experiments
        .iter()
        .filter(|one| compare::mismatch(counts, one).p >= settings.mismatch_alpha);
    for experiment in trusted {
        let against_model = model_of(counts, experiment.name(), experiment.control());
        let look = |arm: &str, metric, current: &Ratio, baseline: &Ratio, interval, significant| {
            let (current_value, baseline_value) = (current.value()?, baseline.value()?);
            Some(Look {
                significant,
                drop: Degraded {
                    subject: Subject {
                        model: model_of(counts, experiment.name(), arm),
                        experiment: experiment.name().to_owned(),
                        arm: arm.to_owned(),
                        metric,
                    },
                    against: format!("arm {}", experiment.control()),
                    against_model: against_model.clone(),
                    current: current_value,
                    baseline: baseline_value,
                    users: current.users,
                    interval,
                    time: now,
                },
            })
        };
        for Compared {
            arm,
            current,
            baseline,
            contrast,
            guardrails,
            ..
        } in compare::arms(counts, experiment, settings)
        {
            looks.extend(contrast.and_then(|contrast| {
                let worse = contrast.interval.high < 0.0;
                let interval = contrast.interval;
                look(
                    &arm,
                    Metric::ClickThrough,
                    &current,
                    &baseline,
                    interval,
                    worse,
                )
            }));
            looks.extend(guardrails.iter().filter_map(|one| {
                // The drop of clicks itself is compared above, at any margin.
                let distance = one
                    .distance
                    .filter(|_| one.metric != Metric::ClickThrough)?;
                let sign = if one.metric.more_is_better() {
                    1.0
                } else {
                    -1.0
                };
                let interval = distance.signed(sign).interval;
                let breached = one.standing == Standing::Breached;
                look(
                    &arm,
                    one.metric,
                    &one.current,
                    &one.baseline,
                    interval,
                    breached,
                )
            }));
        }
    }
    looks
}

/// Models beside their own past.
fn pasts(counts: &Counts, settings: &StatisticsSettings, now: Millis) -> Vec<Look> {
    let pasts = baseline::all(counts, settings, now).into_iter();
    let looks = pasts.filter_map(|past| {
        let contrast = past.contrast?;
        Some(Look {
            significant: contrast.interval.high < 0.0,
            drop: Degraded {
                subject: Subject {
                    model: past.model,
                    experiment: String::new(),
                    arm: String::new(),
                    metric: Metric::ClickThrough,
                },
                against: format!("its past {} days", past.days),
                against_model: past.earlier,
                current: past.current.value()?,
                baseline: past.baseline.value()?,
                users: past.current.users,
                interval: contrast.interval,
                time: now,
            },
        })
    });
    looks.collect()
}

/// The model that served an arm on its newest day, by most items shown.
pub(super) fn model_of(counts: &Counts, experiment: &str, arm: &str) -> String {
    let names = (counts.names.find(experiment), counts.names.find(arm));
    let (Some(experiment), Some(arm)) = names else {
        return String::new();
    };
    let lines = counts.lines.iter();
    let own = lines.filter(|((_, one, other, _), _)| (*one, *other) == (experiment, arm));
    let newest = own.max_by(|((day, ..), a), ((other, ..), b)| {
        day.cmp(other).then(a.below.total_cmp(&b.below))
    });
    newest.map_or_else(String::new, |((.., model), _)| {
        counts.names.text(*model).to_owned()
    })
}

impl Degraded {
    /// How much worse the metric is, as a share of its baseline; below 0 if it is better.
    pub fn relative(&self) -> f64 {
        let sign = if self.subject.metric.more_is_better() {
            1.0
        } else {
            -1.0
        };
        let relative = sign * (self.baseline - self.current) / self.baseline;
        if relative.is_finite() { relative } else { 0.0 }
    }

    /// What happened, for people.
    pub fn message(&self) -> String {
        let Self {
            subject, against, ..
        } = self;
        let place = if subject.experiment.is_empty() {
            String::new()
        } else {
            format!(
                " in arm {} of experiment {}",
                subject.arm, subject.experiment
            )
        };
        format!(
            "{} of {}{place} is {} against {} of {against}, over {} users",
            subject.metric.words(),
            subject.model,
            compare::shown(subject.metric, self.current),
            compare::shown(subject.metric, self.baseline),
            self.users,
        )
    }

    /// The event. Its severity is high, so that by the rules as shipped the model is rolled back; found on the same day again,
    /// it has the same id.
    pub fn event(&self) -> Value {
        let Subject {
            model,
            experiment,
            arm,
            metric,
        } = &self.subject;
        let day = Day::of(self.time).0.to_string();
        let parts = [model, experiment, arm, metric.name(), &day].map(str::as_bytes);
        let mut event = json!({
            "event_type": "model_performance_degraded",
            "event_id": Id::hash(&parts).as_uuid(),
            "source": SOURCE,
            "timestamp": format_time(self.time),
            "severity": "high",
            "model_name": name_of(model),
            "metric": metric.name(),
            "current_performance": self.current,
            "baseline_performance": self.baseline,
            "performance_drop": self.relative(),
            "interval": [self.interval.low, self.interval.high],
            "users": self.users,
            "against": self.against,
            "message": self.message(),
        });
        let fields = event.as_object_mut().into_iter();
        let version = |model| model_reference::parse(model).and_then(|read| read.version);
        for fields in fields {
            if let Some(version) = version(model) {
                fields.insert("model_version".to_owned(), version.into());
            }
            let other = version(&self.against_model)
                .filter(|_| name_of(&self.against_model) == name_of(model))
                .filter(|other| version(model).is_some_and(|own| own != *other));
            if let Some(other) = other {
                fields.insert("to_version".to_owned(), other.into());
            }
            if !experiment.is_empty() {
                fields.insert("experiment".to_owned(), experiment.as_str().into());
                fields.insert("arm".to_owned(), arm.as_str().into());
            }
        }
        event
    }
}
