//! Settings resolved into one rule per event type and target, so that deciding looks things up and merges nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checks;
use super::cooldown::Cooldown;
use super::fault::RuleError;
use super::intervals::Named;
use super::settings::{ActionSettings, Defaults, RuleOverlay, RuleSettings, TargetOverlay};
use super::timing::{self, Timing};
use crate::actions::{Action, Intents};
use crate::events::{Shape, shape_of};
use crate::ledger::record::{Id, Millis};
use crate::severity::{SYNONYMS, Severity, normalized};
use crate::target::{Target, TargetKind};
use crate::texts::{Layer, Texts};

/// The rule that answers every event type without its own.
pub const OTHER: &str = "other";

/// Context that raises a severity.
#[derive(Clone, Debug, PartialEq)]
pub struct Raise {
    /// Field of the event; a list counts as its length.
    pub field: String,
    /// How the field is read.
    pub(crate) shape: Shape,
    /// It must be above this.
    pub above: f64,
    /// The severity it raises to.
    pub to: Severity,
}

/// A budget of a target over all event types: in any sliding window, at most `cap` of its actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FurtherBudget {
    /// Its key in the configuration, `budget.<name>`, under which the ledger counts it. No event type can be in its way,
    /// for their scopes hold a colon.
    pub scope: String,
    /// The actions that it counts and closes.
    pub actions: Vec<Action>,
    /// Length of the window.
    pub window_ms: Millis,
    /// Actions in it at most.
    pub cap: u32,
}

/// How one event type is answered for one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Name of the row, for explanations: the event type or `other`.
    pub name: String,
    matrix: BTreeMap<Severity, Action>,
    /// Severity of an event that declares none, or an unknown one.
    pub default_severity: Severity,
    /// Context, the gravest first.
    pub raise: Vec<Raise>,
    /// Severities whose retraining waits for a maintenance window.
    pub scheduled: Vec<Severity>,
    cooldown_ms: BTreeMap<Action, Millis>,
    /// Responses of full strength in any hour.
    pub responses_per_hour: u32,
    /// The budgets beside it.
    pub budgets: Vec<FurtherBudget>,
    /// Oldest event acted on.
    pub max_event_age_ms: Millis,
    /// Whether an event's own time counts for its age, as well as the log's.
    pub trust_event_time: bool,
    /// When things may happen.
    pub timing: Timing,
}

impl Rule {
    /// The action at a severity.
    pub fn action(&self, severity: Severity) -> Action {
        self.matrix.get(&severity).copied().unwrap_or(Action::Alert)
    }

    /// The cooldown of an action.
    pub fn cooldown_ms(&self, action: Action) -> Millis {
        self.cooldown_ms.get(&action).copied().unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
struct Table {
    rules: BTreeMap<String, Rule>,
    other: Rule,
    actions: BTreeMap<Action, ActionSettings>,
    intents: BTreeMap<Action, Arc<dyn Intents>>,
    texts: Texts,
}

impl Table {
    fn find(&self, event_type: &str) -> &Rule {
        self.rules.get(event_type).unwrap_or(&self.other)
    }
}

/// The tables of one name: of the model, of the service, or of both where the name is written without a kind.
#[derive(Clone, Debug, Default)]
struct ByKind {
    model: Option<Table>,
    service: Option<Table>,
}

impl ByKind {
    const fn of(&mut self, kind: TargetKind) -> &mut Option<Table> {
        match kind {
            TargetKind::Model => &mut self.model,
            TargetKind::Service => &mut self.service,
        }
    }
}

/// Everything that decides, immutable; a reload replaces it whole.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Content hash of the settings: equal settings, equal revision.
    pub revision: String,
    /// Names used when an event has none.
    pub defaults: Defaults,
    synonyms: BTreeMap<String, Severity>,
    general: Table,
    targets: BTreeMap<String, ByKind>,
}

impl Rules {
    /// Resolves settings.
    ///
    /// # Errors
    /// Every setting that cannot be used, not only the first.
    pub fn new(settings: &RuleSettings) -> Result<Self, Vec<RuleError>> {
        let mut errors = checks::faults(settings);
        let synonyms = synonyms(settings, &mut errors);
        let named = timing::named(settings, &mut errors);
        let general = table(settings, None, &named, &mut errors);
        let targets = targets(settings, &named, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            revision: revision(settings),
            defaults: settings.defaults.clone(),
            synonyms,
            general,
            targets,
        })
    }

    /// The rule for an event type and a target.
    pub fn find(&self, event_type: &str, kind: TargetKind, target: &str) -> &Rule {
        self.table(kind, target).find(event_type)
    }

    /// How an action is carried out for a target; `None` only for `ignore`, which is recorded and not carried out.
    pub fn action(&self, action: Action, target: &Target) -> Option<&ActionSettings> {
        self.table(target.kind, &target.name).actions.get(&action)
    }

    /// What an action asks its connector for, for a target.
    pub fn intents(&self, action: Action, target: &Target) -> Option<&dyn Intents> {
        let table = self.table(target.kind, &target.name);
        table.intents.get(&action).map(|intents| &**intents)
    }

    /// The texts of alerts about a target.
    pub fn texts(&self, kind: TargetKind, target: &str) -> &Texts {
        &self.table(kind, target).texts
    }

    fn table(&self, kind: TargetKind, target: &str) -> &Table {
        let named = self.targets.get(target);
        let own = named.and_then(|named| match kind {
            TargetKind::Model => named.model.as_ref(),
            TargetKind::Service => named.service.as_ref(),
        });
        own.unwrap_or(&self.general)
    }

    /// The severity that a word of another system means.
    pub fn synonym(&self, word: &str) -> Option<Severity> {
        self.synonyms.get(&normalized(word)).copied()
    }

    /// Event types with a rule of their own.
    pub fn event_types(&self) -> impl Iterator<Item = &str> {
        self.general.rules.keys().map(String::as_str)
    }
}

fn revision(settings: &RuleSettings) -> String {
    let text = serde_json::to_vec(settings).unwrap_or_default();
    Id::hash(&[b"rules", &text])
        .to_string()
        .chars()
        .take(12)
        .collect()
}

/// Synonyms by the form in which they are compared: the usual ones, and the configured ones over them. The four severities mean
/// themselves, and a word has one meaning.
fn synonyms(settings: &RuleSettings, errors: &mut Vec<RuleError>) -> BTreeMap<String, Severity> {
    let mut own = BTreeMap::new();
    for (word, severity) in &settings.severity.synonyms {
        let mut fault = |problem: String| {
            errors.push(RuleError {
                key: format!("severity.synonyms.{word}"),
                problem,
            });
        };
        if Severity::parse(&normalized(word)).is_some() {
            fault("is a severity itself; remove it".to_owned());
        }
        let other = own.insert(normalized(word), *severity);
        if let Some(other) = other.filter(|other| other != severity) {
            fault(format!(
                "means {severity}, and written otherwise it means {other}; remove one"
            ));
        }
    }
    let usual = SYNONYMS
        .into_iter()
        .map(|(word, severity)| (word.to_owned(), severity));
    usual.chain(own).collect()
}

/// `[targets.churn]` is the model and the service of that name; `[targets."model/churn"]`, as the command line writes it, is
/// the model alone.
fn targets(
    settings: &RuleSettings,
    intervals: &Named,
    errors: &mut Vec<RuleError>,
) -> BTreeMap<String, ByKind> {
    let mut targets = BTreeMap::<String, ByKind>::new();
    for name in settings.targets.keys() {
        let table = table(settings, Some(name), intervals, errors);
        let (kinds, bare) = match TargetKind::split(name) {
            Some((kind, bare)) => (vec![kind], bare),
            None => (vec![TargetKind::Model, TargetKind::Service], name.as_str()),
        };
        let named = targets.entry(bare.to_owned()).or_default();
        for kind in kinds {
            if named.of(kind).replace(table.clone()).is_some() {
                errors.push(RuleError {
                    key: format!("targets.{name}"),
                    problem: format!("the {} {bare} has two tables; keep one", kind.name()),
                });
            }
        }
    }
    targets
}

/// The layers of one target, or of none: global, `rules.<type>`, `targets.<target>`, `targets.<target>.rules.<type>`.
fn table(
    settings: &RuleSettings,
    target: Option<&str>,
    intervals: &Named,
    errors: &mut Vec<RuleError>,
) -> Table {
    let overlay = target.and_then(|name| settings.targets.get(name));
    let mut names: Vec<&String> = settings.rules.keys().collect();
    names.extend(overlay.iter().flat_map(|overlay| overlay.rules.keys()));
    let mut resolve = |name: &str| {
        let general = settings.rules.get(name);
        let general = general.or_else(|| settings.rules.get(OTHER));
        let timing = Timing::of(settings, intervals, general, overlay, name);
        let mut rule = base(settings, name, timing);
        rule.budgets = further_budgets(settings, overlay);
        if let Some(layer) = general {
            lay_over(&mut rule, layer);
        }
        if let Some(target) = overlay {
            lay_over_cooldown(&mut rule, &target.cooldown);
            rule.responses_per_hour = target.responses_per_hour.unwrap_or(rule.responses_per_hour);
            if let Some(layer) = target.rules.get(name) {
                lay_over(&mut rule, layer);
            }
        }
        for severity in Severity::ALL {
            if !rule.matrix.contains_key(&severity) {
                errors.push(RuleError {
                    key: format!("rules.{name}.{severity}"),
                    problem: format!(
                        "no action is given; name one of {}",
                        Action::ALL.map(Action::name).join(", ")
                    ),
                });
            }
        }
        rule
    };
    let other = resolve(OTHER);
    let rules = names
        .into_iter()
        .map(|name| (name.clone(), resolve(name)))
        .collect();
    let mut actions = settings.actions.clone();
    actions.extend(
        overlay
            .into_iter()
            .flat_map(|overlay| overlay.actions.clone()),
    );
    let intents = intents(settings, target, &actions, errors);
    let texts = texts(settings, target, errors);
    Table {
        rules,
        other,
        actions,
        intents,
        texts,
    }
}

/// The texts of a target, or of all others.
fn texts(settings: &RuleSettings, target: Option<&str>, errors: &mut Vec<RuleError>) -> Texts {
    let own = target.and_then(|name| Some((name, settings.targets.get(name)?)));
    let path = own.map(|(name, _)| format!("targets.{name}.texts"));
    let mut layers = vec![Layer {
        path: "texts",
        tables: &settings.texts,
    }];
    if let (Some((_, overlay)), Some(path)) = (own, &path) {
        layers.push(Layer {
            path,
            tables: &overlay.texts,
        });
    }
    let language = own.and_then(|(_, overlay)| overlay.language);
    let texts = Texts::new(language.unwrap_or(settings.language), &layers);
    texts.unwrap_or_else(|faults| {
        for (key, fault) in faults {
            let problem = fault.to_string();
            let error = RuleError { key, problem };
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        Texts::default()
    })
}

/// The actions with their parameters. A fault is reported where the table with the parameters is written.
fn intents(
    settings: &RuleSettings,
    target: Option<&str>,
    actions: &BTreeMap<Action, ActionSettings>,
    errors: &mut Vec<RuleError>,
) -> BTreeMap<Action, Arc<dyn Intents>> {
    let own = target.and_then(|name| settings.targets.get(name));
    let none = serde_json::Map::new();
    let mut intents = BTreeMap::new();
    for action in Action::ALL {
        let parameters = actions
            .get(&action)
            .map_or(&none, |table| &table.parameters);
        let written_in = match (target, own) {
            (Some(name), Some(own)) => own
                .actions
                .contains_key(&action)
                .then(|| format!("targets.{name}.actions")),
            // A missing table is a fault of its own.
            _ => actions.contains_key(&action).then(|| "actions".to_owned()),
        };
        match ((action.kind().configure)(parameters), written_in) {
            (Ok(configured), _) => {
                intents.insert(action, configured);
            }
            (Err(error), Some(path)) => errors.push(RuleError {
                key: format!("{path}.{action}.parameters"),
                problem: error.to_string(),
            }),
            (Err(_), None) => {}
        }
    }
    intents
}

fn further_budgets(settings: &RuleSettings, target: Option<&TargetOverlay>) -> Vec<FurtherBudget> {
    let resolve = |(name, general): (&String, &super::settings::FurtherBudget)| {
        let overlay = target.and_then(|target| target.budget.get(name));
        let overlay = overlay.cloned().unwrap_or_default();
        FurtherBudget {
            scope: format!("budget.{name}"),
            actions: overlay.actions.unwrap_or_else(|| general.actions.clone()),
            window_ms: millis(overlay.window_minutes.unwrap_or(general.window_minutes)),
            cap: overlay.cap.unwrap_or(general.cap),
        }
    };
    settings.budget.further.iter().map(resolve).collect()
}

fn base(settings: &RuleSettings, name: &str, timing: Timing) -> Rule {
    let mut rule = Rule {
        name: name.to_owned(),
        matrix: BTreeMap::new(),
        default_severity: Severity::Medium,
        raise: Vec::new(),
        scheduled: Vec::new(),
        cooldown_ms: BTreeMap::new(),
        responses_per_hour: settings.budget.responses_per_hour,
        budgets: Vec::new(),
        max_event_age_ms: millis(settings.budget.max_event_age_minutes),
        trust_event_time: settings.budget.trust_event_time,
        timing,
    };
    lay_over_cooldown(&mut rule, &settings.cooldown);
    rule
}

fn lay_over(rule: &mut Rule, layer: &RuleOverlay) {
    let cells = [
        (Severity::Low, layer.low),
        (Severity::Medium, layer.medium),
        (Severity::High, layer.high),
        (Severity::Critical, layer.critical),
    ];
    for (severity, action) in cells {
        if let Some(action) = action.or(layer.default) {
            rule.matrix.insert(severity, action);
        }
    }
    rule.default_severity = layer.default_severity.unwrap_or(rule.default_severity);
    for (to, fields) in &layer.raise {
        for (field, above) in fields {
            rule.raise
                .retain(|raise| raise.to != *to || raise.field != *field);
            rule.raise.push(Raise {
                field: field.clone(),
                shape: shape_of(field),
                above: *above,
                to: *to,
            });
        }
    }
    rule.raise.sort_by_key(|raise| std::cmp::Reverse(raise.to));
    if let Some(scheduled) = &layer.scheduled {
        rule.scheduled.clone_from(scheduled);
    }
    lay_over_cooldown(rule, &layer.cooldown);
    rule.responses_per_hour = layer.responses_per_hour.unwrap_or(rule.responses_per_hour);
    rule.max_event_age_ms = layer
        .max_event_age_minutes
        .map_or(rule.max_event_age_ms, millis);
    rule.trust_event_time = layer.trust_event_time.unwrap_or(rule.trust_event_time);
}

fn lay_over_cooldown(rule: &mut Rule, layer: &Cooldown) {
    let cells = layer
        .iter()
        .map(|(action, minutes)| (action, millis(minutes)));
    rule.cooldown_ms.extend(cells);
}

/// Minutes as milliseconds; out of range is caught by the configuration's checks and saturates here.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a float to integer cast saturates"
)]
fn millis(minutes: f64) -> Millis {
    (minutes * 60_000.0).round() as Millis
}
