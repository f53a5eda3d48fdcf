//! What an action would send for an event, by the configuration in hand: for `homeostat templates preview alert --event FILE`. Nothing is changed
//! outside; a kind of connection that asks its service before it acts asks here too.

use homeostat_actors::ports::connector::{Answer, Connections};
use homeostat_logic::actions::Action;
use homeostat_logic::event::Reject;
use homeostat_logic::ledger::record::FinishOutcome;

use super::kit::proposed::order;
use super::kit::rehearsal::rehearse;
use super::log;

pub use super::kit::proposed::{Given, Proposed};
pub use super::kit::rehearsal::Shown;

/// An order and what it would send.
#[derive(Debug)]
pub struct Preview {
    /// The order with its decision.
    pub proposed: Proposed,
    /// Kind of the connection.
    pub kind: &'static str,
    /// What would be sent, or why nothing would be.
    pub sent: Result<Sent, String>,
}

/// What would be sent.
#[derive(Debug)]
pub enum Sent {
    /// These requests.
    Requests(Vec<Shown>),
    /// What the connection says of it, where it is no request over HTTP.
    Words(String),
}

/// Decides about the event, and carries out the action in a dry run.
///
/// # Errors
/// Why the event cannot be decided about.
pub async fn preview(
    connections: &Connections,
    given: &Given<'_>,
    action: Action,
) -> Result<Preview, Reject> {
    let proposed = order(given, action)?;
    let order = proposed.order.clone();
    if proposed.connection == log::NAME {
        return Ok(Preview {
            sent: Ok(Sent::Words(log::shown(&order))),
            kind: log::NAME,
            proposed,
        });
    }
    let binding = match connections.find(&proposed.connection, action, &order.target) {
        Ok(binding) => binding,
        Err(error) => {
            return Ok(Preview {
                proposed,
                kind: "none",
                sent: Err(error.to_string()),
            });
        }
    };
    let (answer, requests) = rehearse(binding.connector.send(order)).await;
    Ok(Preview {
        proposed,
        kind: binding.kind,
        sent: sent(answer, requests),
    })
}

fn sent(answer: Answer, requests: Vec<Shown>) -> Result<Sent, String> {
    match (answer.outcome, requests.is_empty()) {
        (FinishOutcome::Done, false) => Ok(Sent::Requests(requests)),
        (FinishOutcome::Done, true) => Ok(Sent::Words(answer.detail)),
        _ => Err(answer.detail),
    }
}
