//! The kind `kubernetes_monitor`: a CronJob runs, or Prometheus scrapes, more often for a while, and as before afterwards.
//!
//! What it was is in the ledger before anything is changed, and in an annotation of the object with the change itself. The instance that
//! executes the action's partition restores it when the time is over ([`Connector::tend`]); after a crash that is another instance.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::connector::{
    Answer, Connector, Due, Finding, Order, Probe, Tended, Tending,
};
use homeostat_logic::actions::Action;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::kind::Kind;
use super::kit::kubernetes::meaning::{contested, done, refusal};
use super::kit::kubernetes::object::{Fields as _, annotation, kept_by, own, version};
use super::kit::kubernetes::session::Patch;
use super::kit::kubernetes::subject::TRIES;
use super::kit::kubernetes::watching::{Plan, Raised, Rhythm, time};
use super::kit::kubernetes::{
    Cluster, ClusterSettings, Place, Resolved, Resource, Session, Subject, Where,
};
use super::kit::{Act, Acting, Compile, refused};

/// Keys of `[actions.ACTION.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// What is done more often: a CronJob that looks for drift, or scraping by a ServiceMonitor or PodMonitor of the Prometheus operator.
    #[serde(default)]
    kind: Watched,
    /// Its name; a template.
    #[serde(default = "name")]
    #[schemars(length(min = 1))]
    name: String,
    /// Its namespace; a template. Without it, the connection's.
    #[schemars(length(min = 1))]
    namespace: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
enum Watched {
    #[default]
    CronJob,
    ServiceMonitor,
    PodMonitor,
}

fn name() -> String {
    "{{ target.name }}".to_owned()
}

/// A connection of this kind.
#[derive(Debug)]
pub(crate) struct KubernetesMonitor(Arc<Cluster>);

impl Kind for KubernetesMonitor {
    const NAME: &'static str = "kubernetes_monitor";
    const ABOUT: &'static str =
        "a Kubernetes cluster, whose CronJobs or Prometheus monitors look more often for a while";
    const EXAMPLE: &'static str = r#"[connections.drift-checks]
kind = "kubernetes_monitor"
server = "https://10.0.0.1:6443"
token = "env:CLUSTER_TOKEN"
namespace = "ml"

[actions.monitor]
connection = "drift-checks"

[actions.monitor.with]
name = "drift-check-{{ target.name }}"

[actions.monitor.parameters]
interval_seconds = 300
duration_minutes = 120
"#;
    const NOTES: &'static str = include_str!("kubernetes_monitor/notes.md");
    type Settings = ClusterSettings;
    type With = With;

    fn carries(action: Action) -> bool {
        action == Action::Monitor
    }

    fn probed_by() -> Option<&'static str> {
        Some("")
    }

    fn connect(settings: ClusterSettings, compile: &mut Compile<'_>) -> Option<Self> {
        Some(Self(Arc::new(Cluster::new(&settings, compile)?)))
    }

    fn carry(
        &self,
        _action: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        let place = Where::compile(with.namespace.as_deref(), &with.name, compile);
        let (resource, rhythm) = match with.kind {
            Watched::CronJob => (Resource::CRON_JOB, Rhythm::Schedule),
            Watched::ServiceMonitor => (Resource::SERVICE_MONITOR, Rhythm::Intervals("endpoints")),
            Watched::PodMonitor => (
                Resource::POD_MONITOR,
                Rhythm::Intervals("podMetricsEndpoints"),
            ),
        };
        Some(Acting::connector(Monitors {
            of: Subject {
                cluster: Arc::clone(&self.0),
                resource,
                place: place?,
                subresource: "",
            },
            rhythm,
        }))
    }
}

const RAISED: &str = own!("monitor");

/// One action over its connection.
struct Monitors {
    of: Subject,
    rhythm: Rhythm,
}

impl Act for Monitors {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let plan: Plan = Resolved::plan(order, self.plan(order)).await?;
        let until = time(plan.until);
        if order.now >= plan.until && order.attempt > 1 {
            let words = format!("the time of the closer watch, until {until}, is over");
            return Ok(done(order.dry_run, &words));
        }
        let (session, place) = self.of.begin(order).await?;
        let id = order.action_id.to_string();
        for _ in 0..TRIES {
            let object = self.of.read(&session, &place).await?;
            let now = self.rhythm.of(&object);
            let before = raised(&object).filter(|before| before.set == now);
            if before.as_ref().is_some_and(|before| before.action == id) {
                let words = format!("{place} was raised by an earlier attempt, until {until}");
                return Ok(done(order.dry_run, &words));
            }
            if now != plan.seen && now != plan.to {
                return Err(refusal(
                    format!(
                        "{place} was changed from {} to {} since the action was decided",
                        shown(&plan.seen),
                        shown(&now)
                    ),
                    "order the action again if it is still to be watched more closely",
                ));
            }
            let (was, ends) = match before {
                Some(before) => (before.was.clone(), before.until().max(plan.until)),
                None if now == plan.to => (now.clone(), plan.until),
                None => (plan.was.clone(), plan.until),
            };
            let keep = Raised::new(was, plan.to.clone(), ends, id.clone());
            let mut body = json!({"metadata": {
                "resourceVersion": version(&object), "annotations": {RAISED: written(&keep)},
            }});
            if now != plan.to
                && let Some(fields) = body.as_object_mut()
            {
                fields.insert("spec".to_owned(), self.rhythm.spec(&object, &plan.to));
            }
            let reply = session.patch(&place, "", Patch::Merge, &body).await?;
            if reply.is_success() {
                return Ok(reply.done(&words(&place, &object, (&now, &plan.to), &time(ends))));
            }
            if !reply.is_conflict() {
                return Err(reply.not_made(&self.of.right("patch")));
            }
        }
        Err(contested(&place))
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    async fn ask(&self, order: &Order) -> Result<Probe, Answer> {
        let plan: Plan = match Resolved::asked(order) {
            Ok(plan) => plan,
            Err(known) => return Ok(known),
        };
        let (session, place) = self.of.begin(order).await?;
        let object = self.of.read(&session, &place).await?;
        let words = format!("{place} says {}", shown(&self.rhythm.of(&object)));
        let by = raised(&object).map(|raised| raised.action);
        // Others that extended it since wrote their own names; when its time is over, nothing of it is left to find.
        let over = order.now >= plan.until;
        Ok(match by {
            Some(action) if action == order.action_id.to_string() => Probe::Found(words),
            Some(_) => Probe::NoAnswer(format!("{words}, raised by another action")),
            None if over => {
                Probe::NoAnswer(format!("{words}, and the time of the closer watch is over"))
            }
            None => Probe::Absent(words),
        })
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let found = async |_: &Session<'_>, place: &Place, object: Value| {
            let says = shown(&self.rhythm.of(&object));
            let words = match raised(&object) {
                Some(raised) => {
                    let end = time(raised.until());
                    format!("{place} found, raised to {says} until {end}")
                }
                None => format!("{place} found, says {says}"),
            };
            Ok(vec![Finding::Fine(words)])
        };
        self.of.look(order, &[], found).await
    }

    async fn fix(&self, order: &Order) -> Result<Option<Value>, Answer> {
        Resolved::keep(self.plan(order).await, order)
    }

    fn is_tended(&self) -> bool {
        true
    }

    /// Others may have extended the watch, or ended it: that is seen when its own time is over.
    fn due(&self, order: &Order, state: Tending) -> Due {
        match Resolved::<Plan>::planned(order) {
            Some(_) if order.dry_run => Due::Over,
            Some(plan) if order.now < plan.until && !state.acknowledged => {
                Due::In(until(plan.until, order))
            }
            Some(_) => Due::Now,
            None => Due::Over,
        }
    }

    /// Ends what is to end.
    async fn tend(&self, order: &Order, state: Tending) -> Result<Tended, Answer> {
        let Some(plan) = Resolved::<Plan>::planned(order) else {
            return Ok(Tended::Over);
        };
        let (session, place) = self.of.begin(order).await?;
        let reply = session.get(&place, "").await?;
        if reply.status == 404 {
            return Ok(Tended::Over);
        }
        if !reply.is_success() {
            return Err(reply.not_begun(&self.of.right("get")));
        }
        let object = reply.body;
        let Some(raised) = raised(&object) else {
            return Ok(Tended::Over);
        };
        let own = raised.action == order.action_id.to_string();
        let ends = raised.until().max(if own { plan.until } else { 0 });
        let early = own && state.acknowledged;
        if order.now < ends && !early {
            return Ok(Tended::Again(until(ends, order)));
        }
        let mut body = json!({"metadata": {
            "resourceVersion": version(&object), "annotations": {RAISED: null},
        }});
        let untouched = self.rhythm.of(&object) == raised.set;
        if untouched && let Some(fields) = body.as_object_mut() {
            fields.insert("spec".to_owned(), self.rhythm.spec(&object, &raised.was));
        }
        let reply = session.patch(&place, "", Patch::Merge, &body).await?;
        if reply.is_conflict() {
            return Ok(Tended::Again(Duration::from_secs(1)));
        }
        if !reply.is_success() {
            return Err(reply.not_made(&self.of.right("patch")));
        }
        let was = shown(&raised.was);
        if untouched {
            tracing::info!(%place, was, "a closer watch ended, and what was before is restored");
        } else {
            tracing::info!(%place, "a closer watch ended; others changed the object since, and it is left as it is");
        }
        Ok(Tended::Over)
    }
}

impl Monitors {
    async fn plan(&self, order: &Order) -> Result<Resolved<Plan>, Answer> {
        let params = order.params.value();
        let number = |name: &str| {
            let number = params.get(name).and_then(Value::as_u64);
            number.ok_or_else(|| {
                refused(format!(
                    "the order has no parameter `{name}`; set it in [actions.monitor.parameters]"
                ))
            })
        };
        let (seconds, minutes) = (number("interval_seconds")?, number("duration_minutes")?);
        let (session, place) = self.of.begin(order).await?;
        let object = self.of.read(&session, &place).await?;
        if object.at("/spec/suspend") == true {
            return Err(refusal(
                format!("{place} is suspended"),
                "resume it, and refire the action",
            ));
        }
        let seen = self.rhythm.of(&object);
        // Raised already, and by no person since.
        let before = raised(&object).filter(|before| before.set == seen);
        let closer = self.rhythm.closer(&object, seconds);
        if closer.is_none() && before.is_none() {
            return Ok(Resolved::Nothing {
                because: format!("{place} is as frequent already: {}", shown(&seen)),
            });
        }
        let minutes = i64::try_from(minutes).unwrap_or(i64::MAX);
        Ok(Resolved::Plan(Plan {
            object: place.to_string(),
            was: before.map_or_else(|| seen.clone(), |before| before.was),
            to: closer.unwrap_or_else(|| seen.clone()),
            seen,
            until: order.now.saturating_add(minutes.saturating_mul(60_000)),
        }))
    }
}

/// The closer watch that an object's annotation keeps. One that cannot be read is none: it says nothing to go back to.
fn raised(object: &Value) -> Option<Raised> {
    serde_json::from_str(annotation(object, RAISED)?).ok()
}

fn written(raised: &Raised) -> String {
    // A struct of values and text always has a text.
    serde_json::to_string(raised).unwrap_or_default()
}

fn until(ends: i64, order: &Order) -> Duration {
    Duration::from_millis(ends.saturating_sub(order.now).max(0).unsigned_abs())
}

/// A rhythm as people read it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn words(place: &Place, object: &Value, (from, to): (&Value, &Value), until: &str) -> String {
    let mut words = if from == to {
        format!("{place} stays at {} until {until}", shown(to))
    } else {
        format!(
            "{place} was set from {} to {} until {until}",
            shown(from),
            shown(to)
        )
    };
    if let Some(tool) = kept_by(object) {
        words = format!("{words}; {tool} keeps this object, and may set it back before");
    }
    words
}
