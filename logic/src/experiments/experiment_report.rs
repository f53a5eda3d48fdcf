//! One experiment in the report: its arms, how they compare, and whether that can be believed.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::arms::{Experiment, State};
use super::compare::{self, Compared, shown, sums};
use super::counts::{Counts, Sums};
use super::guardrails::{Reading, Standing};
use super::inference::design_effect;
use super::metric::Metric;
use super::names::{EVERYTHING, OTHER};
use super::settings::StatisticsSettings;
use super::tables::{Counted, Rate, Row, Tables, rate};
use crate::ledger::record::Millis;

/// An experiment.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ExperimentReport {
    /// Its name.
    pub name: String,
    /// Whether it assigns users.
    pub state: State,
    /// The arm that the others are compared with; empty for one that is declared no longer.
    pub control: String,
    /// What is known, in words.
    pub reading: String,
    /// Its arms, by name.
    pub arms: Vec<ArmReport>,
    /// Each other arm beside the control.
    pub comparisons: Vec<ComparisonReport>,
    /// Whether users are divided as declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub division: Option<DivisionReport>,
    /// Metrics that must not become worse.
    pub guardrails: Vec<GuardrailReport>,
}

/// An arm.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ArmReport {
    /// Its name.
    pub name: String,
    /// Its weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Users who were shown something.
    pub users: u64,
    /// Of these, users who clicked at least once, with a fixed 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_who_clicked: Option<Rate>,
    /// Its counts.
    #[serde(flatten)]
    pub counted: Counted,
    /// By day of the impression.
    pub days: Vec<Row>,
    /// By place in the list.
    pub positions: Vec<Row>,
    /// By segment of the user. Read as hints: with enough segments, one always looks different.
    pub segments: Vec<Row>,
    /// By model.
    pub models: Vec<Row>,
}

/// What is known of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There are too few users or clicks.
    TooEarly,
    /// Both directions are possible.
    Open,
    /// The arm is better.
    Better,
    /// The arm is worse.
    Worse,
    /// Users are not divided as declared: nothing can be concluded.
    Untrusted,
}

/// An arm beside the control.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ComparisonReport {
    /// The arm.
    pub arm: String,
    /// The control.
    pub against: String,
    /// What is known.
    pub verdict: Verdict,
    /// Click-through rate of the arm less that of the control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
    /// Lower end of the always-valid interval of the difference: it can be looked at any number of times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Its upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Always-valid p-value of no difference, before it is shared between arms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// In words.
    pub reading: String,
}

/// Users of each arm beside what was to be expected.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DivisionReport {
    /// Whether users are not divided as declared.
    pub mismatch: bool,
    /// Always-valid p-value of the declared weights.
    pub p: f64,
    /// Users who came under the weights in force, by arm.
    pub users: BTreeMap<String, u64>,
    /// Users that were to be expected.
    pub expected: BTreeMap<String, f64>,
}

/// A guardrail of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GuardrailReport {
    /// The arm.
    pub arm: String,
    /// The metric.
    pub metric: Metric,
    /// Share of the control's value by which it may be worse.
    pub margin: f64,
    /// What is known.
    pub standing: Standing,
    /// Its value in the arm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Its value in the control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<f64>,
    /// In words.
    pub reading: String,
}

/// The report of a declared experiment.
pub(super) fn report_of(
    counts: &Counts,
    experiment: &Experiment,
    settings: &StatisticsSettings,
    now: Millis,
) -> ExperimentReport {
    let division = compare::mismatch(counts, experiment);
    let mismatch = division.p < settings.mismatch_alpha;
    let compared = compare::arms(counts, experiment, settings);
    let control = experiment.control();
    let comparisons: Vec<ComparisonReport> = compared
        .iter()
        .map(|one| comparison(one, control, mismatch, settings))
        .collect();
    let guardrails: Vec<GuardrailReport> = compared
        .iter()
        .flat_map(|one| {
            one.guardrails
                .iter()
                .map(|reading| guardrail(&one.arm, reading))
        })
        .collect();
    let state = experiment.state(now);
    let weights = experiment.arms().iter();
    let arms =
        weights.map(|(arm, weight)| arm_report(counts, experiment.name(), arm, Some(*weight)));
    ExperimentReport {
        name: experiment.name().to_owned(),
        state,
        control: control.to_owned(),
        reading: reading(state, mismatch, &comparisons, &guardrails),
        arms: arms.collect(),
        comparisons,
        division: Some(DivisionReport {
            mismatch,
            p: division.p,
            users: division.users,
            expected: division.expected,
        }),
        guardrails,
    }
}

/// Experiments that are counted, and declared no longer: their arms, without a comparison.
pub(super) fn removed(counts: &Counts, experiments: &[Experiment]) -> Vec<ExperimentReport> {
    let counted = counts
        .arms
        .keys()
        .filter(|(one, _)| *one != EVERYTHING && *one != OTHER);
    let counted: BTreeSet<&str> = counted.map(|(one, _)| counts.names.text(*one)).collect();
    let is_declared = |name: &&str| experiments.iter().any(|one| one.name() == *name);
    let gone = counted.into_iter().filter(|name| !is_declared(name));
    let reports = gone.map(|name| {
        let arms = counts
            .arms
            .keys()
            .filter(|(one, _)| counts.names.text(*one) == name);
        let arms = arms.map(|(_, arm)| counts.names.text(*arm));
        ExperimentReport {
            name: name.to_owned(),
            state: State::Removed,
            control: String::new(),
            reading: "it is no longer declared; its arms are not compared.".to_owned(),
            arms: arms
                .map(|arm| arm_report(counts, name, arm, None))
                .collect(),
            comparisons: Vec::new(),
            division: None,
            guardrails: Vec::new(),
        }
    });
    reports.collect()
}

fn arm_report(counts: &Counts, experiment: &str, arm: &str, weight: Option<f64>) -> ArmReport {
    let own: Sums = sums(counts, experiment, arm);
    let [clicks, ..] = own;
    let effect = design_effect(&clicks);
    let name = counts.names.find(experiment).zip(counts.names.find(arm));
    let tables = name.map(|(experiment, arm)| Tables::of(counts, experiment, Some(arm)));
    let tables = tables.unwrap_or_default();
    let segments = tables.segments(counts, |segment| {
        let (experiment, arm) = name?;
        let users = counts.segments.get(&(experiment, arm, segment))?;
        Some(design_effect(users))
    });
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count, kept as a float"
    )]
    let users = clicks.users as u64;
    ArmReport {
        name: arm.to_owned(),
        weight,
        users,
        users_who_clicked: rate(clicks.converted, clicks.users, 1.0),
        counted: Counted::of(&tables.total, effect),
        days: tables.days(effect, |_| None),
        positions: tables.positions(effect),
        segments,
        models: tables.models(counts, effect),
    }
}

fn comparison(
    compared: &Compared,
    control: &str,
    mismatch: bool,
    settings: &StatisticsSettings,
) -> ComparisonReport {
    let Compared { arm, contrast, .. } = compared;
    let interval = contrast.map(|contrast| contrast.interval);
    let verdict = match interval {
        _ if mismatch => Verdict::Untrusted,
        None => Verdict::TooEarly,
        Some(interval) if interval.low > 0.0 => Verdict::Better,
        Some(interval) if interval.high < 0.0 => Verdict::Worse,
        Some(_) => Verdict::Open,
    };
    let points = |value: f64| format!("{:.2}", value * 100.0);
    let [low, high] = interval.map_or([0.0, 0.0], |interval| [interval.low, interval.high]);
    let reading = match verdict {
        Verdict::Untrusted => {
            format!("{arm} cannot be compared: users are not divided as declared")
        }
        Verdict::TooEarly => format!(
            "it is too early to compare {arm}: {} and {} users of {} each, {} clicks of {}",
            compared.current.users,
            compared.baseline.users,
            settings.users_min,
            compared.current.above + compared.baseline.above,
            settings.clicks_min,
        ),
        Verdict::Better => format!(
            "{arm} is better by {} to {} points; it can be stopped at any time",
            points(low),
            points(high)
        ),
        Verdict::Worse => format!(
            "{arm} is worse by {} to {} points; it can be stopped at any time",
            points(-high),
            points(-low)
        ),
        Verdict::Open => format!(
            "no difference is known yet: {arm} is between {} points worse and {} points better",
            points(-low),
            points(high)
        ),
    };
    ComparisonReport {
        arm: arm.clone(),
        against: control.to_owned(),
        verdict,
        difference: contrast.map(|contrast| contrast.estimate),
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
        p: contrast.map(|contrast| contrast.p),
        reading,
    }
}

fn guardrail(arm: &str, reading: &Reading) -> GuardrailReport {
    let metric = reading.metric;
    let (value, control) = (reading.current.value(), reading.baseline.value());
    let margin = reading.margin * 100.0;
    let words = metric.words();
    let values = |value: Option<f64>| {
        value.map_or_else(|| "unknown".to_owned(), |value| shown(metric, value))
    };
    let (now, before) = (values(value), values(control));
    let text = match reading.standing {
        Standing::TooEarly => format!("it is too early to judge {words} of {arm}"),
        Standing::Open => format!(
            "{words} of {arm} is {now} against {before}; whether it is more than {margin:.0} % worse is not known yet"
        ),
        Standing::Holds => {
            format!(
                "{words} of {arm} is {now} against {before}, and not more than {margin:.0} % worse"
            )
        }
        Standing::Breached => {
            format!("{words} of {arm} is {now} against {before}, more than {margin:.0} % worse")
        }
    };
    GuardrailReport {
        arm: arm.to_owned(),
        metric,
        margin: reading.margin,
        standing: reading.standing,
        value,
        control,
        reading: text,
    }
}

fn reading(
    state: State,
    mismatch: bool,
    comparisons: &[ComparisonReport],
    guardrails: &[GuardrailReport],
) -> String {
    if state == State::Waiting {
        return "it has not started.".to_owned();
    }
    if mismatch {
        return "users are not divided as declared, so nothing can be concluded; look for a part that drops or adds users of one arm.".to_owned();
    }
    let breached = guardrails
        .iter()
        .filter(|one| one.standing == Standing::Breached);
    let breached = breached.map(|one| format!("guardrail: {}", one.reading));
    let all = comparisons
        .iter()
        .map(|one| one.reading.clone())
        .chain(breached);
    format!("{}.", all.collect::<Vec<_>>().join("; "))
}
