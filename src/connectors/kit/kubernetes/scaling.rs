//! How many instances a workload is to have: decided from what is there, without asking.

use serde::{Deserialize, Serialize};

use super::resolved::Resolved;

/// What decides the number of a workload's instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scaler {
    /// Its `replicas`.
    Replicas,
    /// A `HorizontalPodAutoscaler`, by its `minReplicas`.
    Autoscaler(String),
    /// KEDA, by `minReplicaCount` of a `ScaledObject`.
    ScaledObject(String),
}

impl std::fmt::Display for Scaler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Replicas => formatter.write_str("replicas"),
            Self::Autoscaler(name) => {
                write!(formatter, "minReplicas of HorizontalPodAutoscaler {name}")
            }
            Self::ScaledObject(name) => write!(formatter, "minReplicaCount of ScaledObject {name}"),
        }
    }
}

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) scaler: Scaler,
    /// Instances that the workload is to have now.
    pub(crate) replicas: i64,
    /// What the scaler's field says now: that number, or the least of an autoscaler.
    pub(crate) value: i64,
    /// The most that the scaler allows.
    pub(crate) most: i64,
}

/// Bounds of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) min: i64,
    pub(crate) max: i64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The workload, in words.
    pub(crate) object: String,
    pub(crate) by: Scaler,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// Makes a change absolute. More is never less than before, and the other way round: bounds that are exceeded already are not
/// enforced by an order in the other direction.
pub(crate) fn plan(object: &str, present: &Present, change: i64, bounds: Bounds) -> Resolved<Plan> {
    let Present {
        scaler,
        replicas,
        value,
        most,
    } = present;
    let (replicas, value) = (*replicas, *value);
    let to = if change > 0 {
        if matches!(scaler, Scaler::Autoscaler(_)) && replicas == 0 {
            return Resolved::Refused {
                because: format!(
                    "{object} is scaled to 0, which switches its autoscaler off; scale it to 1 or more to switch it on again"
                ),
            };
        }
        let most = bounds.max.min(*most);
        if value >= most {
            return Resolved::Refused {
                because: format!(
                    "{scaler} of {object} is {value} already, and at most {most} is allowed; raise `max`{} if more is wanted",
                    if *scaler == Scaler::Replicas {
                        ""
                    } else {
                        " or the autoscaler's own limit"
                    }
                ),
            };
        }
        let wanted = replicas.max(value).saturating_add(change);
        wanted.max(bounds.min).min(most)
    } else {
        let least = match scaler {
            // An autoscaler has no zero.
            Scaler::Autoscaler(_) => bounds.min.max(1),
            _ => bounds.min,
        };
        if value <= least {
            return Resolved::Nothing {
                because: format!(
                    "{scaler} of {object} is {value} already, and at least {least} is kept"
                ),
            };
        }
        value.saturating_add(change).max(least)
    };
    Resolved::Plan(Plan {
        object: object.to_owned(),
        by: scaler.clone(),
        from: value,
        to,
    })
}

impl Plan {
    /// Whether a value is at least as far as the plan goes.
    pub(crate) const fn is_reached(&self, value: i64) -> bool {
        if self.to > self.from {
            value >= self.to
        } else {
            value <= self.to
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn planned(
        scaler: &Scaler,
        (replicas, value, most): (i64, i64, i64),
        change: i64,
    ) -> Result<i64, bool> {
        let present = Present {
            scaler: scaler.clone(),
            replicas,
            value,
            most,
        };
        match plan(
            "Deployment ml/web",
            &present,
            change,
            Bounds { min: 1, max: 8 },
        ) {
            Resolved::Plan(plan) => Ok(plan.to),
            Resolved::Nothing { .. } => Err(true),
            Resolved::Refused { .. } => Err(false),
        }
    }

    #[test]
    fn replicas_are_moved_within_the_bounds() {
        let free =
            |replicas, change| planned(&Scaler::Replicas, (replicas, replicas, i64::MAX), change);
        let table = [
            (3, 2, Ok(5)),
            (7, 2, Ok(8)),
            (8, 2, Err(false)),
            (9, 2, Err(false)),
            (0, 2, Ok(2)),
            (3, -1, Ok(2)),
            (2, -5, Ok(1)),
            (1, -1, Err(true)),
            (0, -1, Err(true)),
            // Above the bounds, one step down is one step.
            (20, -1, Ok(19)),
        ];
        for (replicas, change, expected) in table {
            assert_eq!(free(replicas, change), expected, "{replicas} {change}");
        }
    }

    #[test]
    fn of_an_autoscaled_workload_the_least_is_moved() {
        let hpa = Scaler::Autoscaler("web".to_owned());
        let table = [
            // Instances, minReplicas, maxReplicas.
            ((5, 2, 10), 2, Ok(7)),
            ((2, 2, 10), 2, Ok(4)),
            ((5, 2, 6), 2, Ok(6)),
            ((6, 6, 6), 2, Err(false)),
            ((5, 8, 10), 2, Err(false)),
            ((0, 2, 10), 2, Err(false)),
            ((5, 4, 10), -1, Ok(3)),
            ((5, 1, 10), -1, Err(true)),
        ];
        for (present, change, expected) in table {
            assert_eq!(
                planned(&hpa, present, change),
                expected,
                "{present:?} {change}"
            );
        }
        // KEDA scales to nothing and back by itself.
        let keda = Scaler::ScaledObject("web".to_owned());
        assert_eq!(planned(&keda, (0, 0, 10), 2), Ok(2));
    }

    proptest! {
        #[test]
        fn no_order_goes_the_other_way_or_beyond_a_bound(
            replicas in 0_i64..20, value in 0_i64..20, most in 1_i64..20, change in -5_i64..=5,
        ) {
            prop_assume!(change != 0);
            for scaler in [Scaler::Replicas, Scaler::Autoscaler("a".into()), Scaler::ScaledObject("s".into())] {
                let value = if scaler == Scaler::Replicas { replicas } else { value };
                if let Ok(to) = planned(&scaler, (replicas, value, most), change) {
                    if change > 0 {
                        prop_assert!(to > value && to <= 8.min(most));
                    } else {
                        prop_assert!(to < value && to >= 1);
                    }
                }
            }
        }
    }
}
