//! People: they look at what one instance shows, and order something.

use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{Override, OverrideOrder, Record, Resolution};

use super::world::{World, Worlds};
use crate::ledger::Letter;
use crate::prints;

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Cancel,
    Refire,
    ResolveDone,
    ResolveFailed,
    Acknowledge,
}

impl Wish {
    pub(crate) const ALL: [Self; 5] = [
        Self::Cancel,
        Self::Refire,
        Self::ResolveDone,
        Self::ResolveFailed,
        Self::Acknowledge,
    ];
}

impl Worlds {
    /// The order that makes sense by what the person sees; it lands at any time, or never.
    pub(super) fn order(&self, world: &World, number: usize, wish: Wish) -> Option<World> {
        let orders = world.left.orders.checked_sub(1)?;
        let prefix = self.ledger.at(world.instances[number].at);
        let seen = prefix.fold.action(self.action)?;
        let (action_id, expect) = (self.action, seen.changed);
        let open = seen.phase.is_open() && !matches!(seen.phase, Phase::Started { .. });
        let unknown = matches!(seen.phase, Phase::Unknown { .. });
        let doubt = matches!(seen.phase, Phase::Doubt { .. });
        let failed = seen.phase == Phase::Failed;
        let ended_badly = failed || unknown || seen.phase == Phase::Expired;
        let order = match wish {
            Wish::Cancel if open || unknown => OverrideOrder::Cancel { action_id, expect },
            Wish::Refire if unknown || failed => OverrideOrder::Refire { action_id, expect },
            Wish::ResolveDone | Wish::ResolveFailed if unknown || doubt => {
                let done = wish == Wish::ResolveDone;
                OverrideOrder::Resolve {
                    action_id,
                    expect,
                    outcome: if done {
                        Resolution::Done
                    } else {
                        Resolution::Failed
                    },
                }
            }
            Wish::Acknowledge if ended_badly => OverrideOrder::Acknowledge { action_id, expect },
            _ => return None,
        };
        let mut next = world.clone();
        next.left.orders = orders;
        let order = Override {
            override_id: prints::override_id(orders),
            order,
            who: String::new(),
            reason: String::new(),
        };
        next.orphans
            .push(Letter::new(Record::Override(Box::new(order))));
        Some(next)
    }
}
