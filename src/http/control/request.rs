//! What an order says: its key, and its body by the kind of order.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::{FromRequest, HttpRequest};
use homeostat_logic::actions::Action;
use homeostat_logic::event_text::{DEPTH_MAX, too_deep_at};
use homeostat_logic::ledger::record::{Id, Millis, Resolution};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::{Target, TargetKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::describe::{Describe, Operation};
use super::super::exclusive::{at_most_one, one_of};
use super::super::problem::{Kind, Problem};
use super::super::target::{PATTERN, read_target};

/// Every order, as the path names it.
pub(super) const ORDERS: [&str; 10] = [
    "cancel",
    "refire",
    "resolve",
    "clear-cooldown",
    "approve",
    "acknowledge",
    "silence",
    "pause",
    "resume",
    "force",
];
/// Header that makes a repetition harmless.
const KEY_HEADER: &str = "Idempotency-Key";
const KEY_CHARS_MAX: usize = 128;
const WHO_CHARS_MAX: usize = 128;
const REASON_CHARS_MAX: usize = 1_000;
/// A text that says something.
const VISIBLE: &str = "[!-~]";
/// A silence lasts eight days at most.
const MINUTES_MAX: f64 = 8.0 * 24.0 * 60.0;
/// Who is taken to have ordered, unless the body says so.
const WHO: &str = "operator";

/// An order as received.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) order: Requested,
    pub(super) who: String,
    pub(super) reason: String,
}

/// What every order says.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read field by field, before the order's own")]
struct Said {
    /// Kept in the ledger.
    #[schemars(length(min = 1, max = REASON_CHARS_MAX), regex(pattern = VISIBLE))]
    reason: String,
    #[schemars(length(min = 1, max = WHO_CHARS_MAX), regex(pattern = VISIBLE), extend("default" = WHO))]
    who: Option<String>,
}

/// One body for each kind of order, each with what every order says.
impl JsonSchema for Asked {
    fn schema_name() -> Cow<'static, str> {
        "Requested".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let said = Said::json_schema(generator);
        let mut bodies = [
            OnAction::json_schema(generator),
            Resolve::json_schema(generator),
            Silence::json_schema(generator),
            Nothing::json_schema(generator),
            Force::json_schema(generator),
        ];
        for body in &mut bodies {
            for part in ["properties", "required"] {
                add(body, part, said.get(part));
            }
        }
        json_schema!({"description": "By the order; each has its own title.", "anyOf": bodies})
    }
}

/// Adds members of an object, or items of a list.
fn add(schema: &mut Schema, part: &str, more: Option<&Value>) {
    let there = schema.ensure_object().entry(part);
    match (
        there.or_insert_with(|| more.cloned().unwrap_or_default()),
        more,
    ) {
        (Value::Object(there), Some(Value::Object(more))) => there.extend(more.clone()),
        (Value::Array(there), Some(Value::Array(more))) => {
            let new: Vec<Value> = more
                .iter()
                .filter(|one| !there.contains(one))
                .cloned()
                .collect();
            there.extend(new);
        }
        _ => {}
    }
}

/// What is ordered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Requested {
    Cancel(OnAction),
    Refire(OnAction),
    Resolve(Resolve),
    ClearCooldown(OnAction),
    Approve(OnAction),
    Acknowledge(OnAction),
    Silence(Silence),
    Pause(Nothing),
    Resume(Nothing),
    Force(Force),
}

/// An action as the person saw it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "cancel, refire, clear-cooldown, approve, acknowledge")]
pub(super) struct OnAction {
    pub(super) action_id: Id,
    /// `changed` of the action as the person saw it.
    #[schemars(range(min = i64::MIN, max = i64::MAX))]
    pub(super) expect: i64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "resolve")]
pub(super) struct Resolve {
    pub(super) action_id: Id,
    /// `changed` of the action as the person saw it.
    #[schemars(range(min = i64::MIN, max = i64::MAX))]
    pub(super) expect: i64,
    pub(super) outcome: Resolution,
}

/// Until when, and for which part of the ledger; all of it if neither partition nor target is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "silence", transform = one_of(&["minutes", "until"]), transform = at_most_one(&["partition", "target"]))]
pub(super) struct Silence {
    /// A second at least.
    #[schemars(range(min = 0.017, max = MINUTES_MAX))]
    minutes: Option<f64>,
    #[schemars(extend("format" = "date-time"))]
    until: Option<String>,
    /// A partition of the ledger; one that is not there is a 404.
    #[schemars(range(min = 0, max = 1023))]
    pub(super) partition: Option<i32>,
    /// model/NAME or service/NAME, the name of at most 256 bytes.
    #[serde(default, deserialize_with = "optional_target")]
    #[schemars(with = "Option<String>", extend("pattern" = PATTERN))]
    pub(super) target: Option<Target>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "pause, resume")]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "force", transform = forcible)]
pub(super) struct Force {
    pub(super) action: Action,
    /// model/NAME or service/NAME, the name of at most 256 bytes.
    #[serde(deserialize_with = "target")]
    #[schemars(with = "String", extend("pattern" = PATTERN))]
    pub(super) target: Target,
    pub(super) params: Option<serde_json::Map<String, Value>>,
    /// How bad it is; high unless said otherwise.
    #[serde(default, deserialize_with = "severity")]
    #[schemars(extend("default" = Severity::High))]
    pub(super) severity: Option<Severity>,
    /// The event that the person has in mind: kept in the ledger, and quoted to people.
    pub(super) event: Option<serde_json::Map<String, Value>>,
}

/// Which actions may be forced on which targets, as [`Force::check`] has it: `retrain` on a model, say, or with parameters.
fn forcible(schema: &mut Schema) {
    let of = |wanted: fn(Action) -> bool| -> Vec<Action> {
        Action::ALL
            .into_iter()
            .filter(|action| wanted(*action))
            .collect()
    };
    let of_kind = |kind: TargetKind| -> Vec<Action> {
        Action::ALL
            .into_iter()
            .filter(|action| fits(*action, kind))
            .collect()
    };
    let on = |kind: TargetKind| {
        let target = format!("^{}/", kind.name());
        json!({"properties": {"action": {"enum": of_kind(kind)}, "target": {"pattern": target}}})
    };
    let with_params = json!({
        "required": ["params"],
        "properties": {"action": {"enum": of(Action::is_executed)}, "params": {"type": "object"}},
    });
    let either = [on(TargetKind::Model), on(TargetKind::Service), with_params];
    schema.insert("anyOf".to_owned(), json!(either));
}

/// Whether an action can be about a target of this kind.
fn fits(action: Action, kind: TargetKind) -> bool {
    action.is_executed() && action.kind().acts_on.fits(kind)
}

impl Force {
    /// Whether the action can be about the target. Without parameters of the person's own it would be carried out on the
    /// default model or service instead, past the key of that one.
    fn check(&self) -> Result<(), Problem> {
        if !self.action.is_executed() {
            let action = self.action;
            return Err(malformed(format!(
                "action: `{action}` does nothing; choose another"
            )));
        }
        if fits(self.action, self.target.kind) || self.params.is_some() {
            return Ok(());
        }
        let (action, target) = (self.action, &self.target);
        let kind = match target.kind {
            TargetKind::Model => TargetKind::Service,
            TargetKind::Service => TargetKind::Model,
        };
        Err(malformed(format!(
            "{action} of {target}: write {}/NAME as target, or name what it acts on in params",
            kind.name()
        )))
    }
}

impl Silence {
    /// Whether the same request names the same time whenever it comes.
    pub(super) const fn is_absolute(&self) -> bool {
        self.until.is_some()
    }

    /// Its end.
    pub(super) fn until(&self, now: Millis) -> Result<Millis, Problem> {
        // A second: anything shorter is over before it is read back.
        const MINUTES_MIN: f64 = 1.0 / 60.0;
        match (self.minutes, &self.until) {
            (Some(minutes), None) if (MINUTES_MIN..=MINUTES_MAX).contains(&minutes) => {
                #[allow(clippy::cast_possible_truncation, reason = "bounded by MINUTES_MAX")]
                let length = (minutes * 60_000.0) as Millis;
                Ok(now.saturating_add(length))
            }
            (None, Some(until)) => chrono::DateTime::parse_from_rfc3339(until)
                .map(|until| until.timestamp_millis())
                .map_err(|error| malformed(format!("until: {error}; write it as RFC 3339"))),
            _ => Err(malformed(
                "a silence has either minutes (a second at least, 11520 at most) or until"
                    .to_owned(),
            )),
        }
    }
}

/// The order's identity, from the caller's key.
pub(super) struct IdempotencyKey(Option<HeaderValue>);

#[derive(JsonSchema)]
#[expect(dead_code, reason = "the header as the document describes it")]
struct KeyHeader {
    #[schemars(rename = "Idempotency-Key", length(min = 1, max = KEY_CHARS_MAX), regex(pattern = "^[!-~]+$"))]
    key: String,
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.headers().get(KEY_HEADER).cloned())))
    }
}

impl Describe for IdempotencyKey {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameters::<KeyHeader>("header");
        operation.problem(Kind::BadIdempotencyKey);
    }
}

impl IdempotencyKey {
    /// Reads it.
    pub(super) fn read(&self) -> Result<Id, Problem> {
        let visible = |key: &&[u8]| {
            (1..=KEY_CHARS_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic)
        };
        let key = self.0.as_ref().map(HeaderValue::as_bytes).filter(visible);
        let key = key.ok_or_else(|| {
            let detail = format!(
                "an order needs the header {KEY_HEADER} with 1 to {KEY_CHARS_MAX} visible characters, new for each order; a repetition with the same key is answered with the first result"
            );
            Problem::new(Kind::BadIdempotencyKey, detail)
        })?;
        Ok(Id::hash(&[b"override", key]))
    }
}

/// Reads a body.
pub(super) fn read(order: &str, body: &[u8]) -> Result<Asked, Problem> {
    if !ORDERS.contains(&order) {
        let detail = format!("unknown order; available: {}", ORDERS.join(", "));
        return Err(Problem::new(Kind::NotFound, detail));
    }
    // The ledger wraps the order further, and what no parser takes back is no record.
    if let Some(byte) = too_deep_at(body) {
        return Err(malformed(format!(
            "byte {byte}: nested deeper than {DEPTH_MAX} levels; nothing was ordered"
        )));
    }
    let mut fields: serde_json::Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    let who = text(&mut fields, "who", WHO_CHARS_MAX)?;
    let reason = text(&mut fields, "reason", REASON_CHARS_MAX)?
        .ok_or_else(|| malformed("reason: say why; it is kept in the ledger".to_owned()))?;
    let order = serde_json::from_value(json!({ order: fields }))
        .map_err(|error| malformed(error.to_string()))?;
    if let Requested::Force(force) = &order {
        force.check()?;
    }
    Ok(Asked {
        order,
        who: who.unwrap_or_else(|| WHO.to_owned()),
        reason,
    })
}

fn text(
    fields: &mut serde_json::Map<String, Value>,
    name: &str,
    chars_max: usize,
) -> Result<Option<String>, Problem> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text))
            if !text.trim().is_empty() && text.chars().count() <= chars_max =>
        {
            Ok(Some(text))
        }
        Some(_) => Err(malformed(format!(
            "{name}: expected text of 1 to {chars_max} characters"
        ))),
    }
}

fn malformed(problem: impl std::fmt::Display) -> Problem {
    Problem::new(
        Kind::MalformedOrder,
        format!("{problem}; nothing was ordered"),
    )
}

/// Reads `model/NAME` or `service/NAME`.
fn target<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
    parse_target(&String::deserialize(deserializer)?)
}

fn optional_target<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Target>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.as_deref().map(parse_target).transpose()
}

fn parse_target<E: serde::de::Error>(text: &str) -> Result<Target, E> {
    read_target(text)
        .ok_or_else(|| E::custom("target: write model/NAME or service/NAME, at most 256 bytes"))
}

fn severity<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Severity>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let wanted = || serde::de::Error::custom("severity: write low, medium, high or critical");
    Severity::parse(&text).ok_or_else(wanted).map(Some)
}
