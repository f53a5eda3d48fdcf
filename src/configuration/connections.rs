//! `[connections.NAME]` and the actions over them: which table belongs to which, checked against the connection's kind and made
//! ready to send.

use std::collections::BTreeMap;

use homeostat_actors::ports::connector::{Binding, Connections};
use homeostat_logic::actions::Action;
use homeostat_logic::rules::schema::{DEFAULT_ACTION, executed_actions};
use homeostat_logic::target::{Target, TargetKind};
use toml::Value;

use super::faults::{Fault, Origin, join, suggest};
use super::layers::{Entry, Node};
use super::shape::Shape;
use crate::connectors::common::Common;
use crate::connectors::kind::{AnyKind, Connection, common};
use crate::connectors::kit::Compile;
use crate::connectors::kit::samples::Samples;
use crate::connectors::{KINDS, Problem, log};

/// Connections at most: each holds a client, and its name is part of records.
const CONNECTIONS_MAX: usize = 64;

/// Lays `[actions.default]` under each action, and each action under `[targets.T.actions.A]`, so that every table is complete.
pub(super) fn expand(root: &mut Entry) {
    let Some(actions) = root.child_mut("actions").and_then(Entry::table_mut) else {
        return;
    };
    let default = actions.remove(DEFAULT_ACTION);
    for name in executed_actions() {
        let own = actions.remove(name);
        let laid = match (default.clone(), own) {
            (Some(default), Some(own)) => laid_over(default, own),
            (default, own) => match own.or(default) {
                Some(one) => one,
                None => continue,
            },
        };
        actions.insert(name.to_owned(), laid);
    }
    let actions = actions.clone();
    let targets = root.child_mut("targets").and_then(Entry::table_mut);
    for target in targets.into_iter().flat_map(BTreeMap::values_mut) {
        let Some(own) = target.child_mut("actions").and_then(Entry::table_mut) else {
            continue;
        };
        let default = own.remove(DEFAULT_ACTION);
        let names: Vec<String> = match &default {
            Some(_) => actions.keys().cloned().collect(),
            None => own.keys().cloned().collect(),
        };
        for name in names {
            let layers = [
                actions.get(&name).cloned(),
                default.clone(),
                own.remove(&name),
            ];
            if let Some(laid) = layers.into_iter().flatten().reduce(laid_over) {
                own.insert(name, laid);
            }
        }
    }
}

/// Gives each action the policy that suits the kind of its connection, where no layer but the defaults says one.
pub(super) fn suit(root: &mut Entry) {
    let suited: Vec<(Vec<String>, Entry)> = uses(root)
        .iter()
        .filter_map(|one| {
            let policy = one.table.at(&["policy"])?;
            let kind = root.at(&["connections", one.text("connection"), "kind"])?;
            let name = kind.leaf()?.as_str()?;
            let known = KINDS.iter().find(|known| known.name() == name)?;
            let node = Node::Leaf(known.policy()?.into());
            matches!(policy.origin, Origin::Default { .. }).then(|| {
                let path = one.path.iter().map(|name| (*name).to_owned());
                let origin = kind.origin.clone();
                (path.collect(), Entry { origin, node })
            })
        })
        .collect();
    for (path, policy) in suited {
        let table = path
            .iter()
            .try_fold(&mut *root, |entry, name| entry.child_mut(name));
        if let Some(table) = table.and_then(Entry::table_mut) {
            table.insert("policy".to_owned(), policy);
        }
    }
}

/// Table over table. What an action does with a connection (`with`) belongs to that connection: another one begins without.
fn laid_over(mut lower: Entry, upper: Entry) -> Entry {
    let connection = |entry: &Entry| entry.at(&["connection"]).and_then(Entry::leaf).cloned();
    let other = connection(&upper).is_some_and(|name| connection(&lower) != Some(name));
    if other && let Some(table) = lower.table_mut() {
        table.remove("with");
    }
    lower.overlay(upper);
    lower
}

/// One action over one connection, as it is written.
struct Use<'a> {
    /// Path of the table of the action.
    path: Vec<&'a str>,
    action: Action,
    target: Option<&'a str>,
    table: &'a Entry,
}

impl Use<'_> {
    fn text(&self, key: &str) -> &str {
        let value = self.table.at(&[key]).and_then(Entry::leaf);
        value.and_then(Value::as_str).unwrap_or_default()
    }

    fn key(&self) -> String {
        dotted(&self.path)
    }
}

fn dotted(path: &[&str]) -> String {
    path.iter()
        .fold(String::new(), |key, name| join(&key, name))
}

fn uses(root: &Entry) -> Vec<Use<'_>> {
    let general = actions_of(root, &["actions"], None);
    let targets = root.at(&["targets"]).and_then(Entry::table);
    let targets = targets.into_iter().flatten();
    let own = targets.flat_map(|(name, table)| {
        actions_of(table, &["targets", name, "actions"], Some(name.as_str()))
    });
    general.into_iter().chain(own).collect()
}

fn actions_of<'a>(table: &'a Entry, path: &[&'a str], target: Option<&'a str>) -> Vec<Use<'a>> {
    let actions = table.at(&["actions"]).and_then(Entry::table);
    let actions = actions.into_iter().flatten();
    let uses = actions.filter_map(|(name, table)| {
        let action = Action::ALL
            .into_iter()
            .find(|action| action.name() == name)?;
        let path = path.iter().copied().chain([name.as_str()]).collect();
        Some(Use {
            path,
            action,
            target,
            table,
        })
    });
    uses.collect()
}

/// What compiling connections needs, and the faults it finds.
pub(super) struct Build<'a> {
    pub(super) root: &'a Entry,
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) faults: &'a mut Vec<Fault>,
    pub(super) warnings: &'a mut Vec<Fault>,
    /// Whether every layer could be read: what could not may hold the connection that is missing.
    pub(super) is_complete: bool,
    /// Orders that templates are tried on; `None` = they are not tried.
    pub(super) samples: Option<&'a Samples>,
}

/// A connection that is ready, with its kind.
struct Ready {
    kind: &'static dyn AnyKind,
    common: Common,
    /// `None` = it has faults, which were reported.
    connection: Option<Box<dyn Connection>>,
}

impl Build<'_> {
    /// Every connection, and every action bound to one.
    pub(super) fn connections(&mut self) -> Connections {
        let root = self.root;
        let tables = root.at(&["connections"]).and_then(Entry::table);
        let tables: Vec<_> = tables.into_iter().flatten().collect();
        if let Some((name, entry)) = tables.get(CONNECTIONS_MAX) {
            let problem = format!("exceeds the limit of {CONNECTIONS_MAX} connections");
            self.fault(
                entry,
                join("connections", name),
                problem,
                "remove connections that no action uses",
            );
        }
        let ready: BTreeMap<&str, Ready> = tables
            .iter()
            .filter_map(|(name, entry)| Some((name.as_str(), self.connect(name, entry)?)))
            .collect();
        let uses = uses(root);
        let mut bound = Connections::default();
        for (name, one) in &ready {
            bound.limit(name, one.common.limits());
        }
        for one in &uses {
            self.bind(one, &ready, &mut bound);
        }
        for (name, entry) in &tables {
            if !uses.iter().any(|one| one.text("connection") == *name) {
                self.warnings.push(Fault {
                    origin: entry.origin.clone(),
                    key: join("connections", name),
                    problem: "is used by no action".to_owned(),
                    remedy: format!(
                        "write connection = \"{name}\" in [actions.ACTION], or remove this table"
                    ),
                });
            }
        }
        bound
    }

    /// Whether no connection may change anything outside.
    fn dry_run(&self) -> bool {
        let value = self.root.at(&["dry_run"]).and_then(Entry::leaf);
        value.and_then(Value::as_bool).unwrap_or_default()
    }

    fn fault(
        &mut self,
        at: &Entry,
        key: String,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.faults.push(Fault {
            origin: at.origin.clone(),
            key,
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    /// `None` where the kind is not known.
    fn connect(&mut self, name: &str, entry: &Entry) -> Option<Ready> {
        let path = join("connections", name);
        if name == log::NAME {
            self.fault(
                entry,
                path,
                "is the built-in connection",
                "give this one another name",
            );
            return None;
        }
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name()).collect();
        let kind = entry
            .at(&["kind"])
            .and_then(Entry::leaf)
            .and_then(Value::as_str);
        let Some(kind) = kind else {
            let remedy = format!("write kind = \"{}\"", names.join("\" or \""));
            self.fault(entry, join(&path, "kind"), "is missing or not text", remedy);
            return None;
        };
        let Some(kind) = KINDS.iter().find(|known| known.name() == kind) else {
            let at = entry.at(&["kind"]).unwrap_or(entry);
            self.fault(
                at,
                join(&path, "kind"),
                format!("`{kind}` is unknown"),
                suggest(kind, &names),
            );
            return None;
        };
        let faults = self.faults.len();
        let checked =
            Shape::of_schema(&kind.settings_schema()).check(entry.clone(), &path, self.faults);
        let connection = checked.filter(|_| self.faults.len() == faults);
        let ready = connection.and_then(|settings| {
            let mut compile = Compile::new(self.environment);
            let settings = settings.to_value();
            let common = common(&settings, &mut compile);
            let connection = kind.connect(settings, &mut compile);
            self.found(compile, entry, &path)
                .then_some(common.zip(connection))
                .flatten()
        });
        let (common, connection) = ready.unzip();
        Some(Ready {
            kind: *kind,
            common: common.unwrap_or_default(),
            connection,
        })
    }

    fn bind(&mut self, one: &Use<'_>, ready: &BTreeMap<&str, Ready>, bound: &mut Connections) {
        let name = one.text("connection");
        let empty = Entry {
            origin: one.table.origin.clone(),
            node: Node::Table(BTreeMap::new()),
        };
        let with = one.table.at(&["with"]).unwrap_or(&empty);
        let with_key = join(&one.key(), "with");
        let Some(Ready {
            kind,
            common,
            connection,
        }) = ready.get(name)
        else {
            return self.not_there(one, name, with, ready);
        };
        if !kind.carries(one.action) {
            let carried = Action::ALL
                .into_iter()
                .filter(|action| kind.carries(*action));
            let carried: Vec<&str> = carried.map(Action::name).collect();
            let at = one.table.at(&["connection"]).unwrap_or(one.table);
            self.fault(
                at,
                join(&one.key(), "connection"),
                format!(
                    "`{name}` is of the kind {}, which cannot carry out {}",
                    kind.name(),
                    one.action
                ),
                format!(
                    "name another connection; this kind carries out {}",
                    carried.join(", ")
                ),
            );
            return;
        }
        let faults = self.faults.len();
        let checked =
            Shape::of_schema(&kind.with_schema()).check(with.clone(), &with_key, self.faults);
        let (Some(checked), Some(connection)) =
            (checked.filter(|_| self.faults.len() == faults), connection)
        else {
            return;
        };
        let samples = self.samples.map(|samples| samples.of(one.action));
        let mut compile = Compile::new(self.environment).trying(samples.unwrap_or_default());
        let connector = connection.carry(one.action, checked.to_value(), &mut compile);
        let Some(connector) = self
            .found(compile, with, &with_key)
            .then_some(connector)
            .flatten()
        else {
            return;
        };
        if !connector.can_be_probed() {
            self.unverified(one, kind.probed_by());
        }
        let binding = Binding {
            kind: kind.name(),
            connector,
            dry_run: common.dry_run || self.dry_run(),
        };
        for target in targets(one.target) {
            bound.bind(name, one.action, target, binding.clone());
        }
    }

    /// The built-in connection, or none at all.
    fn not_there(
        &mut self,
        one: &Use<'_>,
        name: &str,
        with: &Entry,
        ready: &BTreeMap<&str, Ready>,
    ) {
        let written = self.root.at(&["connections", name]).is_some();
        if name == log::NAME {
            if with.table().is_some_and(|keys| !keys.is_empty()) {
                self.fault(
                    with,
                    join(&one.key(), "with"),
                    "has no effect: the connection is log",
                    "remove it, or name another connection",
                );
            }
            self.unverified(one, None);
        } else if !written && self.is_complete {
            let names: Vec<&str> = ready.keys().copied().chain([log::NAME]).collect();
            let at = one.table.at(&["connection"]).unwrap_or(one.table);
            let remedy = match super::faults::nearest(name, &names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => {
                    format!("add [connections.{name}] with a kind, or write connection = \"log\"")
                }
            };
            self.fault(
                at,
                join(&one.key(), "connection"),
                format!("unknown connection `{name}`"),
                remedy,
            );
        }
    }

    /// Under `verify` the target is asked; one that cannot be asked would leave each doubt to a person.
    fn unverified(&mut self, one: &Use<'_>, probed_by: Option<&str>) {
        if one.text("policy") != "verify" {
            return;
        }
        let at = one.table.at(&["policy"]).unwrap_or(one.table);
        let add = probed_by.map_or_else(
            || "use a connection that can be probed".to_owned(),
            |key| format!("add {key} to [{}.with]", one.key()),
        );
        self.fault(
            at,
            join(&one.key(), "policy"),
            "is \"verify\", and the target cannot be asked",
            format!("{add}, or write another policy"),
        );
    }

    /// Reports what a compilation found, and whether it may be used.
    fn found(&mut self, compile: Compile<'_>, table: &Entry, path: &str) -> bool {
        let usable = compile.problems.is_empty();
        let placed = |problem| placed(problem, table, path);
        self.faults.extend(compile.problems.into_iter().map(placed));
        self.warnings.extend(compile.doubts.into_iter().map(placed));
        usable
    }
}

/// The targets of a table `[targets.NAME]`; without one, `None` = all others.
fn targets(name: Option<&str>) -> Vec<Option<Target>> {
    let Some(name) = name else {
        return vec![None];
    };
    match TargetKind::split(name) {
        Some((TargetKind::Model, bare)) => vec![Some(Target::model(bare))],
        Some((TargetKind::Service, bare)) => vec![Some(Target::service(bare))],
        None => vec![Some(Target::model(name)), Some(Target::service(name))],
    }
}

/// A problem of a table, at the key that has it.
pub(super) fn placed(problem: Problem, table: &Entry, path: &str) -> Fault {
    let names: Vec<&str> = problem
        .key
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    let nearest = (0..=names.len())
        .rev()
        .find_map(|length| table.at(names.get(..length)?));
    Fault {
        origin: nearest.unwrap_or(table).origin.clone(),
        key: names
            .iter()
            .fold(path.to_owned(), |key, name| join(&key, name)),
        problem: problem.problem,
        remedy: problem.remedy,
    }
}
