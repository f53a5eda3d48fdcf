//! The revisions of a workload: what it was before, as its controller keeps it, and which of them an order goes back to.
//!
//! A revision is known by the name of the object that keeps it. Its number is not: going back to revision 2 of 3 makes it 4.

use homeostat_actors::ports::connector::Answer;
use homeostat_logic::ledger::record::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::meaning::refusal;
use super::object::{
    Fields as _, annotation, is_controlled_by, is_observed, label, moment, touched,
};
use super::place::{Place, Resource};
use super::resolved::Resolved;
use super::right::Right;
use super::session::Session;
use crate::connectors::kit::exchange::not_sent;

/// Labels that controllers give to each revision.
const HASHES: [&str; 2] = ["pod-template-hash", "rollouts-pod-template-hash"];
/// What `kubectl rollout restart` writes: such a revision runs the same thing as the one before.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// One revision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Revision {
    /// Of the `ReplicaSet` or `ControllerRevision`.
    pub(crate) name: String,
    pub(crate) number: i64,
    /// When it was rolled out for the first time, to the second; 0 if that is not known.
    pub(crate) created: Millis,
    /// When its object was changed last, such as to give it another number or scale it.
    pub(crate) touched: Option<Millis>,
    /// Argo Rollouts knows it by this.
    pub(super) hash: Option<String>,
    /// As the workload's own.
    pub(crate) template: Value,
}

impl Revision {
    /// Whether it was rolled out for the first time before another.
    fn is_older(&self, than: &Self) -> bool {
        (self.created, self.number) < (than.created, than.number)
    }
}

/// A revision as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) revision: i64,
}

impl std::fmt::Display for Known {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "revision {} ({})", self.revision, self.name)
    }
}

impl From<&Revision> for Known {
    fn from(revision: &Revision) -> Self {
        Self {
            name: revision.name.clone(),
            revision: revision.number,
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The workload, in words.
    pub(crate) object: String,
    pub(crate) from: Known,
    pub(crate) to: Known,
}

/// Where revisions of a workload are kept.
pub(crate) fn kept_in(resource: &Resource) -> Resource {
    if *resource == Resource::STATEFUL_SET {
        Resource::CONTROLLER_REVISION
    } else {
        Resource::REPLICA_SET
    }
}

/// All revisions of a workload, the newest first.
pub(crate) async fn read(
    session: &Session<'_>,
    place: &Place,
    workload: &Value,
) -> Result<Vec<Revision>, Answer> {
    let resource = kept_in(&place.resource);
    let labels = selector(workload.at("/spec/selector"));
    let reply = session.list(&resource, &place.namespace, &labels).await?;
    if !reply.is_success() {
        return Err(reply.not_begun(&Right::on(&resource, "", "list")));
    }
    let uid = workload.at("/metadata/uid").as_str().unwrap_or_default();
    let items = reply.body.at("/items").as_array();
    let own = items
        .into_iter()
        .flatten()
        .filter(|item| is_controlled_by(item, uid));
    let mut revisions: Vec<Revision> = own.filter_map(revision).collect();
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    Ok(revisions)
}

fn revision(item: &Value) -> Option<Revision> {
    let number = [
        "deployment.kubernetes.io/revision",
        "rollout.argoproj.io/revision",
    ]
    .into_iter()
    .find_map(|name| annotation(item, name)?.parse().ok());
    let template = if item.at("/data").is_object() {
        item.at("/data/spec/template")
    } else {
        item.at("/spec/template")
    };
    Some(Revision {
        name: item.at("/metadata/name").as_str()?.to_owned(),
        number: item.at("/revision").as_i64().or(number)?,
        created: moment(item.at("/metadata/creationTimestamp")).unwrap_or(0),
        touched: touched(item),
        hash: label(item, HASHES[1]).map(str::to_owned),
        template: bare(template)?,
    })
}

/// A selector as a query takes it.
fn selector(selector: &Value) -> String {
    let mut parts = Vec::new();
    for (name, value) in selector
        .at("/matchLabels")
        .as_object()
        .into_iter()
        .flatten()
    {
        parts.push(format!("{name}={}", value.as_str().unwrap_or_default()));
    }
    for one in selector
        .at("/matchExpressions")
        .as_array()
        .into_iter()
        .flatten()
    {
        let key = one.at("/key").as_str().unwrap_or_default();
        let values = one.at("/values").as_array().into_iter().flatten();
        let values: Vec<&str> = values.filter_map(Value::as_str).collect();
        let values = values.join(",");
        parts.push(match one.at("/operator").as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

/// A template without what controllers add to it, and without fields that say nothing.
pub(crate) fn bare(template: &Value) -> Option<Value> {
    let mut template = template.clone();
    let fields = template.as_object_mut()?;
    // How a StatefulSet's revision says that it replaces the template.
    fields.remove("$patch");
    if let Some(labels) = template
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut)
    {
        labels.retain(|name, _| !HASHES.contains(&&**name));
    }
    without_nothing(&mut template);
    Some(template)
}

fn without_nothing(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nothing);
        }
        Value::Array(list) => list.iter_mut().for_each(without_nothing),
        _ => {}
    }
}

/// A template without its last restart.
fn unrestarted(template: &Value) -> Value {
    let mut template = template.clone();
    let annotations = template.pointer_mut("/metadata/annotations");
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.remove(RESTARTED);
        if annotations.is_empty()
            && let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("annotations");
        }
    }
    template
}

/// The revision that a workload asks for now.
pub(crate) fn present<'a>(
    place: &Place,
    workload: &Value,
    revisions: &'a [Revision],
) -> Result<&'a Revision, Answer> {
    if !workload.at("/spec/workloadRef").is_null() {
        let of = workload.at("/spec/workloadRef");
        let (kind, name) = (of.at("/kind").as_str(), of.at("/name").as_str());
        return Err(refusal(
            format!(
                "{place} takes its template from {} {} (workloadRef)",
                kind.unwrap_or_default(),
                name.unwrap_or_default()
            ),
            "roll that one back",
        ));
    }
    let found = if place.resource == Resource::ROLLOUT {
        // Its template has no defaults filled in, those of its ReplicaSets have: it is known by its hash, once that is of now.
        let hash = workload.at("/status/currentPodHash").as_str();
        let hash = hash.filter(|_| is_observed(workload));
        let same = |revision: &&Revision| hash.is_some() && revision.hash.as_deref() == hash;
        revisions.iter().find(same)
    } else {
        let template = bare(workload.at("/spec/template"));
        let same = |revision: &&Revision| Some(&revision.template) == template.as_ref();
        revisions.iter().find(same)
    };
    found.ok_or_else(|| {
        not_sent(format!(
            "the controller of {place} has not made a revision of its present template yet"
        ))
    })
}

/// What an order is to do.
pub(crate) struct Wanted<'a> {
    /// A revision by its number.
    pub(crate) number: Option<i64>,
    /// The revision that Argo Rollouts holds for stable.
    pub(crate) stable: Option<&'a str>,
    /// Names of revisions that were rolled back from.
    pub(crate) avoided: &'a [&'a str],
}

/// The revision to go back to: the one that is asked for, else the stable one of a Rollout whose update is under way, else the newest
/// older one that does not run the same thing and was not rolled back from before. One that is newer than the present one was left by
/// somebody: only a number that is asked for leads to it.
pub(crate) fn choose(
    place: &Place,
    revisions: &[Revision],
    present: &Revision,
    wanted: &Wanted<'_>,
) -> Resolved<Plan> {
    let known: Vec<String> = revisions
        .iter()
        .map(|one| Known::from(one).to_string())
        .collect();
    let known = known.join(", ");
    let to = match (wanted.number, wanted.stable) {
        (Some(number), _) => revisions.iter().find(|one| one.number == number),
        (None, Some(stable)) if present.hash.as_deref() != Some(stable) => revisions
            .iter()
            .find(|one| one.is_older(present) && one.hash.as_deref() == Some(stable)),
        (None, _) => {
            let running = unrestarted(&present.template);
            revisions.iter().find(|one| {
                one.is_older(present)
                    && unrestarted(&one.template) != running
                    && !wanted.avoided.contains(&&*one.name)
            })
        }
    };
    match to {
        Some(to) if to.name == present.name => Resolved::Nothing {
            because: format!("{place} is at {} already", Known::from(present)),
        },
        Some(to) => Resolved::Plan(Plan {
            object: place.to_string(),
            from: present.into(),
            to: to.into(),
        }),
        None => Resolved::Refused {
            because: match wanted.number {
                Some(number) => format!("{place} has no revision {number}; it has {known}"),
                None => format!(
                    "{place} has no earlier revision that was not rolled back from before; it is at {} and has {known}{}; \
                     deploy a version that works, or raise revisionHistoryLimit",
                    Known::from(present),
                    if revisions.iter().any(|one| present.is_older(one)) {
                        ", of which those that were rolled out after it are not returned to"
                    } else {
                        ""
                    }
                ),
            },
        },
    }
}

/// Goes to a revision, if the workload is still the one that was read; with annotations set.
pub(crate) fn patch(workload: &Value, template: &Value, annotations: &[(&str, String)]) -> Value {
    let mut operations = vec![
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": workload.at("/metadata/resourceVersion")}),
        json!({"op": "replace", "path": "/spec/template", "value": template}),
    ];
    let mut all = workload
        .at("/metadata/annotations")
        .as_object()
        .cloned()
        .unwrap_or_else(Map::new);
    for (name, value) in annotations {
        all.insert((*name).to_owned(), value.clone().into());
    }
    operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": all}));
    Value::Array(operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            resource: Resource::DEPLOYMENT,
            namespace: "ml".to_owned(),
            name: "web".to_owned(),
        }
    }

    fn revision(number: i64, image: &str, restarted: bool) -> Revision {
        let annotations = if restarted {
            json!({RESTARTED: "2026-11-30"})
        } else {
            Value::Null
        };
        let template = json!({"metadata": {"labels": {"app": "web", HASHES[0]: "h"}, "annotations": annotations}, "spec": {"image": image}});
        Revision {
            name: format!("web-{number}"),
            number,
            created: number,
            touched: None,
            hash: Some(format!("h{number}")),
            template: bare(&template).unwrap(),
        }
    }

    fn chosen(revisions: &[Revision], wanted: &Wanted<'_>) -> Result<i64, bool> {
        match choose(&place(), revisions, &revisions[0], wanted) {
            Resolved::Plan(plan) => Ok(plan.to.revision),
            Resolved::Nothing { .. } => Err(true),
            Resolved::Refused { .. } => Err(false),
        }
    }

    const ANY: Wanted<'_> = Wanted {
        number: None,
        stable: None,
        avoided: &[],
    };

    #[test]
    fn the_newest_other_revision_is_the_previous_one() {
        let three = [
            revision(3, "c", false),
            revision(2, "b", false),
            revision(1, "a", false),
        ];
        assert_eq!(chosen(&three, &ANY), Ok(2));
        assert_eq!(chosen(&three[..1], &ANY), Err(false));
        let asked = |number| Wanted {
            number: Some(number),
            ..ANY
        };
        assert_eq!(chosen(&three, &asked(1)), Ok(1));
        assert_eq!(chosen(&three, &asked(3)), Err(true));
        assert_eq!(chosen(&three, &asked(9)), Err(false));
    }

    #[test]
    fn after_a_rollback_the_version_that_was_left_is_not_returned_to() {
        // 3 was bad, and 2 became 4.
        let second = Revision {
            created: 2,
            ..revision(4, "b", false)
        };
        let after = [second, revision(3, "c", false), revision(1, "a", false)];
        let avoided = Wanted {
            avoided: &["web-3"],
            ..ANY
        };
        assert_eq!(chosen(&after, &avoided), Ok(1));
        let all = Wanted {
            avoided: &["web-3", "web-1"],
            ..ANY
        };
        assert_eq!(chosen(&after, &all), Err(false));
    }

    #[test]
    fn a_person_s_own_rollback_is_not_undone() {
        // A person went from 3 back to 2, which became 4.
        let second = Revision {
            created: 2,
            ..revision(4, "b", false)
        };
        let after = [second, revision(3, "c", false), revision(1, "a", false)];
        assert_eq!(chosen(&after, &ANY), Ok(1));
        assert_eq!(chosen(&after[..2], &ANY), Err(false));
        // The stable one of an update under way is what the person leaves.
        let left = Wanted {
            stable: Some("h3"),
            ..ANY
        };
        assert_eq!(chosen(&after, &left), Err(false));
        let named = Wanted {
            number: Some(3),
            ..ANY
        };
        assert_eq!(chosen(&after, &named), Ok(3));
    }

    #[test]
    fn a_restart_is_not_a_version() {
        let restarted = [
            revision(4, "c", true),
            revision(3, "c", false),
            revision(2, "b", false),
        ];
        assert_eq!(chosen(&restarted, &ANY), Ok(2));
    }

    #[test]
    fn an_update_under_way_goes_back_to_what_argo_holds_for_stable() {
        let three = [
            revision(3, "c", false),
            revision(2, "b", false),
            revision(1, "a", false),
        ];
        let stable = |stable| Wanted {
            stable: Some(stable),
            ..ANY
        };
        assert_eq!(chosen(&three, &stable("h1")), Ok(1));
        assert_eq!(chosen(&three, &stable("h3")), Ok(2));
        assert_eq!(chosen(&three, &stable("gone")), Err(false));
    }

    #[test]
    fn a_selector_is_written_as_a_query_takes_it() {
        let all = json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "old", "operator": "DoesNotExist"},
                {"key": "x", "operator": "NotIn", "values": ["c"]},
                {"key": "y", "operator": "Exists"},
            ],
        });
        assert_eq!(selector(&all), "app=web,tier in (a,b),!old,x notin (c),y");
    }
}
