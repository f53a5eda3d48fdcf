//! The connector port: how one attempt of an action reaches the platform's services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{FinishOutcome, Id, Millis};
use homeostat_logic::params::Params;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use homeostat_logic::traffic::{Limits, Signal};

use super::log::EventLog;

/// One attempt to be sent, complete: a connector reads nothing else.
#[derive(Clone, Debug)]
pub struct Order {
    /// Same for all attempts; the idempotency key.
    pub action_id: Id,
    /// Counted from 1.
    pub attempt: u32,
    /// What to do.
    pub action: Action,
    /// About what.
    pub target: Target,
    /// Severity of the event.
    pub severity: Severity,
    /// Type of the event.
    pub event_type: String,
    /// Id of the event.
    pub event_id: String,
    /// The action's parameters.
    pub params: Params,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// Wall time of the send.
    pub now: Millis,
    /// As of when the action was wanted: the time of the event's record on the log, or of a person's order to fire the action again.
    /// What others changed after it was not known when the action was wanted.
    pub as_of: Millis,
    /// Only show what would be sent: nothing is changed outside. Questions are asked all the same.
    pub dry_run: bool,
}

/// What came of an attempt. Classes are those of ledger-protocol §3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Class of the outcome.
    pub outcome: FinishOutcome,
    /// Request and answer in words, at most [`Answer::DETAIL_BYTES_MAX`] bytes, without secrets.
    pub detail: String,
    /// Pause the target asked for.
    pub retry_after_ms: Option<Millis>,
    /// No repetition can mend it.
    pub permanent: bool,
    /// The service was not reached, did not answer in time, or failed itself: this counts against the connection
    /// ([`homeostat_logic::traffic`]). A refusal does not, whatever it means for the order.
    pub trouble: bool,
}

impl Answer {
    /// Longest detail kept on the ledger, in bytes; longer ones are cut by the executor.
    pub const DETAIL_BYTES_MAX: usize = homeostat_logic::ledger::limits::DETAIL_BYTES_MAX;

    /// What it says of the service.
    pub fn signal(&self) -> Signal {
        Signal::of(self.outcome, self.trouble, self.retry_after_ms)
    }

    /// The same, in its words.
    pub fn heard(&self) -> Heard {
        Heard {
            signal: self.signal(),
            detail: self.detail.clone(),
        }
    }

    /// To a question before a change: the service answered, and refuses. To ask again would change nothing that people do not
    /// change; what is not reached, failed itself or asks for a pause may answer later.
    pub fn refuses(&self) -> bool {
        let answered = matches!(self.outcome, FinishOutcome::Failed | FinishOutcome::NotSent);
        let waits = self.trouble || self.retry_after_ms.is_some_and(|wish| wish > 0);
        self.permanent || (answered && !waits)
    }
}

/// What the end of a request says of its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its meaning.
    pub signal: Signal,
    /// In words, without secrets; empty where there is nothing to say.
    pub detail: String,
}

impl From<Signal> for Heard {
    fn from(signal: Signal) -> Self {
        Self {
            signal,
            detail: String::new(),
        }
    }
}

/// What the target says about an attempt in doubt (ledger-protocol §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The attempt, or an earlier one of the same action, had its effect.
    Found(String),
    /// It had none and, past the target's lateness E, never will.
    Absent(String),
    /// The target did not say; it is asked again.
    NoAnswer(String),
}

/// What an examination of a connection found ([`Connector::examine`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as it must be: what was found, such as "version 3.3.2" or "DAG `train_fraud` found".
    Fine(String),
    /// An action would fail.
    Wrong {
        /// What was found, or not found.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// It could not be found out, or it may be meant; an action may succeed.
    Unsure(String),
}

impl Finding {
    /// Something that keeps actions from succeeding, and what to do about it.
    pub fn wrong(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Wrong {
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// There was no answer, for this reason.
    pub fn unreachable(problem: impl Into<String>) -> Self {
        Self::wrong(
            problem,
            "check url, network, certificates and proxy of the connection",
        )
    }
}

/// What the ledger knows of a done action that is tended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tending {
    /// When it ended as done, in log time.
    pub done_at: Millis,
    /// A person acknowledged it: what lasts may end.
    pub acknowledged: bool,
}

/// Whether a done action needs a request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It does: [`Connector::tend`] is called as soon as the connection lets a request through.
    Now,
    /// Not before this time is over, unless a person acknowledges the action.
    In(Duration),
    /// Nothing is left to do.
    Over,
}

/// What comes after a call of [`Connector::tend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tended {
    /// Call again after this time, and at once when a person acknowledges the action.
    Again(Duration),
    /// Nothing is left to do.
    Over,
}

/// A way to carry out one action. Implementations never retry, never follow redirects and answer within their time limit.
pub trait Connector: Send + Sync + 'static {
    /// Sends one attempt. The future must be resolved within the request limit T of ledger-protocol §7.
    fn send(&self, order: Order) -> BoxFuture<'_, Answer>;

    /// Whether the target can be asked what came of an attempt: [`Connector::probe`] then says something.
    fn can_be_probed(&self) -> bool {
        false
    }

    /// Asks the target whether an action had its effect; changes nothing there. `None`: this target cannot be asked.
    /// Bounded in time as [`Connector::send`] is.
    fn probe(&self, _order: Order) -> BoxFuture<'_, Option<Probe>> {
        Box::pin(std::future::ready(None))
    }

    /// Looks whether an order like this one could be carried out: what it needs exists, and is allowed. Asks only, changes
    /// nothing, and answers within the request limit.
    fn examine(&self, _order: Order) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// Whether something remains to be done after an action was carried out, such as posting an alert again while it lasts, or
    /// restoring what was changed for a time: [`Connector::due`] is then asked about each action that ended as done, but for those
    /// that a dry run only showed.
    fn is_tended(&self) -> bool {
        false
    }

    /// Whether a request is due of a done action. Asks nothing and changes nothing outside: looks that find nothing to do take no
    /// place at the connection.
    fn due(&self, _order: &Order, _state: Tending) -> Due {
        Due::Over
    }

    /// Does what is due of a done action, and says when to call again and what the request said of the service. Called on the
    /// instance that executes the action's ledger partition, after a restart or takeover again for every action of the last eight
    /// days for which [`Connector::due`] says so: it must be safe to repeat. Bounded in time as [`Connector::send`] is.
    fn tend(&self, _order: Order, _state: Tending) -> BoxFuture<'_, (Tended, Heard)> {
        Box::pin(std::future::ready((Tended::Over, Signal::Nothing.into())))
    }

    /// This connector with the service's event log, for one that publishes on it; `None`: it needs none.
    fn over(&self, _events: &Arc<dyn EventLog>) -> Option<Arc<dyn Connector>> {
        None
    }

    /// Turns a relative order into absolute parameters before the first bid (`+2 replicas` into `5 replicas`), so that
    /// every attempt means the same. `Ok(None)`: they are absolute already. Asks only, changes nothing.
    ///
    /// Bounded in time as [`Connector::send`] is.
    ///
    /// # Errors
    /// Why the target could not say. If it refuses ([`Answer::refuses`]), that is the outcome of the attempt; otherwise it is
    /// asked again later, and no attempt is spent.
    fn resolve(&self, _order: Order) -> BoxFuture<'_, Result<Option<serde_json::Value>, Answer>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// An action bound to a connection.
#[derive(Clone)]
pub struct Binding {
    /// Kind of the connection, from a closed list: a label of metrics.
    pub kind: &'static str,
    /// How it is carried out.
    pub connector: Arc<dyn Connector>,
    /// Whether orders only show what would be sent ([`Order::dry_run`]).
    pub dry_run: bool,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Binding")
            .field("kind", &self.kind)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

/// How actions are carried out: by connection and action, for all targets or for one; and how much each connection takes.
#[derive(Clone, Debug, Default)]
pub struct Connections(BTreeMap<String, Connection>);

#[derive(Clone, Debug, Default)]
struct Connection {
    limits: Limits,
    actions: BTreeMap<Action, Bindings>,
}

#[derive(Clone, Debug, Default)]
struct Bindings {
    general: Option<Binding>,
    targets: BTreeMap<Target, Binding>,
}

/// Why an action of an earlier configuration cannot be carried out by this one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBound {
    /// There is no connection of that name.
    #[error(
        "connection `{0}` no longer exists; add [connections.{0}], or refire the action after the configuration was corrected"
    )]
    NoConnection(String),
    /// The connection does not carry out this action.
    #[error(
        "connection `{connection}` no longer carries out {action}; name it in [actions.{action}], or refire the action after the configuration was corrected"
    )]
    NoAction {
        /// Its name.
        connection: String,
        /// What it was asked for.
        action: Action,
    },
}

impl Connections {
    /// Adds a connection, or changes how much one takes.
    pub fn limit(&mut self, connection: &str, limits: Limits) {
        self.0.entry(connection.to_owned()).or_default().limits = limits;
    }

    /// How much a connection takes; `None`: there is no such connection.
    pub fn limits(&self, connection: &str) -> Option<Limits> {
        self.0.get(connection).map(|one| one.limits)
    }

    /// Every connection and how much it takes.
    pub fn names(&self) -> impl Iterator<Item = (&str, Limits)> {
        let all = self.0.iter();
        all.map(|(name, connection)| (name.as_str(), connection.limits))
    }

    /// Binds an action to a connection, for one target or (`None`) for those without a binding of their own. A connection that
    /// was not added takes what [`Limits::DEFAULT`] says.
    pub fn bind(&mut self, connection: &str, action: Action, target: Option<Target>, to: Binding) {
        let connection = self.0.entry(connection.to_owned()).or_default();
        let bindings = connection.actions.entry(action).or_default();
        match target {
            Some(target) => {
                bindings.targets.insert(target, to);
            }
            None => bindings.general = Some(to),
        }
    }

    /// Every binding with its connection and action; `None` = all targets without a binding of their own.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Action, Option<&Target>, &Binding)> {
        self.0.iter().flat_map(|(name, connection)| {
            connection
                .actions
                .iter()
                .flat_map(move |(action, bindings)| {
                    let general = bindings.general.iter().map(|binding| (None, binding));
                    let own = bindings.targets.iter();
                    let own = own.map(|(target, binding)| (Some(target), binding));
                    general
                        .chain(own)
                        .map(move |(target, binding)| (name.as_str(), *action, target, binding))
                })
        })
    }

    /// How a connection carries out an action for a target.
    ///
    /// # Errors
    /// The configuration has no such connection, or does not let it carry out this action.
    pub fn find(
        &self,
        connection: &str,
        action: Action,
        target: &Target,
    ) -> Result<&Binding, NotBound> {
        let Some(known) = self.0.get(connection) else {
            return Err(NotBound::NoConnection(connection.to_owned()));
        };
        let bindings = known.actions.get(&action);
        let binding = bindings
            .and_then(|bindings| bindings.targets.get(target).or(bindings.general.as_ref()));
        binding.ok_or_else(|| NotBound::NoAction {
            connection: connection.to_owned(),
            action,
        })
    }
}
