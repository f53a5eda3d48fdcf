//! When a workload's template was changed last, as far as the cluster says it: `managedFields` has a time for each who sets fields of it,
//! to the second, by the cluster's clock.

use homeostat_logic::ledger::record::Millis;
use serde_json::Value;

use super::object::{Fields as _, edits, moment};
use super::revisions::Revision;

/// A change, and who made it where that is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Changed {
    pub(crate) at: Millis,
    pub(crate) by: Option<String>,
}

/// The latest change. It may be said later than it was, such as when one who sets the template changed a label alone; never earlier.
pub(crate) fn changed(workload: &Value, all: &[Revision], present: &Revision) -> Option<Changed> {
    let setting =
        edits(workload).filter(|entry| !entry.at("/fieldsV1/f:spec/f:template").is_null());
    let set = setting.filter_map(|entry| {
        Some(Changed {
            at: moment(entry.at("/time"))?,
            by: entry.at("/manager").as_str().map(str::to_owned),
        })
    });
    // A change that only removes fields leaves no entry: it makes a revision, or takes up an older one again.
    let again = all.iter().any(|one| one.created > present.created);
    let traces = [Some(present.created), present.touched.filter(|_| again)];
    let traces = traces.into_iter().flatten();
    set.chain(traces.map(|at| Changed { at, by: None })).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: u32) -> String {
        format!("2026-11-30T10:00:{second:02}Z")
    }

    fn millis(second: u32) -> Millis {
        moment(&at(second).into()).unwrap()
    }

    fn entry(manager: &str, second: u32, spec: &Value, subresource: &str) -> Value {
        json!({"manager": manager, "time": at(second), "fieldsV1": {"f:spec": spec}, "subresource": subresource})
    }

    fn revision(number: i64, created: u32, touched: u32) -> Revision {
        Revision {
            name: format!("web-{number}"),
            number,
            created: millis(created),
            touched: Some(millis(touched)),
            hash: None,
            template: Value::Null,
        }
    }

    #[test]
    fn the_latest_change_of_the_template_counts_and_no_change_of_anything_else() {
        let template = json!({"f:template": {"f:spec": {}}});
        let workload = json!({"metadata": {"managedFields": [
            entry("helm", 10, &template, ""),
            entry("kubectl-rollout", 20, &template, ""),
            entry("autoscaler", 40, &json!({"f:replicas": {}}), ""),
            entry("controller", 50, &template, "status"),
        ]}});
        let revisions = [revision(3, 11, 55), revision(2, 5, 30)];
        let changed = |present: usize| changed(&workload, &revisions, &revisions[present]).unwrap();
        // The newest revision: scaling it is no change of the template.
        assert_eq!(
            changed(0),
            Changed {
                at: millis(20),
                by: Some("kubectl-rollout".to_owned())
            }
        );
        // An older one was taken up again, at the latest when its object was changed.
        assert_eq!(
            changed(1),
            Changed {
                at: millis(30),
                by: None
            }
        );
        let nothing = super::changed(&json!({}), &revisions, &revisions[0]).unwrap();
        assert_eq!(nothing.at, millis(11));
    }
}
