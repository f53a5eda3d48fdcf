//! What happens in a world, what reaches a process, and a record in a line of the trace.

use homeostat_logic::ledger::execution::{Answer, Dispatch, Probed};
use homeostat_logic::ledger::identity::action_id;
use homeostat_logic::ledger::record::{Id, Policy, Record};

use crate::log::GroupName;
use crate::process::{Payload, Pending};

/// What happens.
#[derive(Debug)]
pub(crate) enum Event {
    Publish,
    Fault,
    Dispatch,
    /// The faults stop.
    Calm,
    Land(Payload),
    Effect(Id, u32, Policy),
    Wake(usize),
    /// The group looks whether a member is still there.
    Expire(GroupName, u64),
    /// The owner had time enough to give a partition back.
    Release(GroupName, usize, u64),
    To {
        process: usize,
        incarnation: u32,
        message: Message,
    },
}

/// What reaches a process; it waits while the process stands still.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Assigned(GroupName, usize, u64),
    Revoked(GroupName, usize, u64),
    Expelled,
    Fetch(usize, u64),
    Commit(usize, u64),
    Drained(usize, u64),
    Report(u64, bool),
    Again(Pending),
    Poll(usize),
    Tick(usize),
    FirstByte(usize, Box<Dispatch>),
    Answer(usize, Box<Dispatch>, Answer),
    Asked(usize, u32, Box<Dispatch>),
    Said(usize, u32, Box<Dispatch>, Probed),
}

impl Message {
    /// Whether it comes through the connection to the log.
    pub(crate) const fn needs_log(&self) -> bool {
        matches!(
            self,
            Self::Assigned(..)
                | Self::Revoked(..)
                | Self::Expelled
                | Self::Fetch(..)
                | Self::Commit(..)
                | Self::Report(..)
                | Self::Poll(_)
        )
    }
}

/// A record in a line of the trace.
pub(crate) fn short(
    record: &Result<Record, homeostat_logic::ledger::codec::Undecodable>,
    installation: Option<Id>,
) -> String {
    match record {
        Ok(Record::Propose(propose)) => {
            let first = &propose.decisions[0].ladder[0];
            let action = installation.map_or_else(
                || "nothing yet".to_owned(),
                |installation| {
                    action_id(installation, propose.event_key, &propose.target, 0).to_string()
                },
            );
            format!(
                "propose {} {:?} for {} from {}/{}@{} = {action}",
                first.action,
                first.policy,
                propose.target,
                propose.src.topic,
                propose.src.partition,
                propose.src.offset
            )
        }
        Ok(Record::Checkpoint(checkpoint)) => format!("checkpoint of {}", checkpoint.covers),
        other => format!("{other:?}"),
    }
}
