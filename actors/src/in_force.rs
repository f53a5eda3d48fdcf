//! What is in force: rules and connections as one snapshot that a reload replaces whole. Who uses it takes it once per batch, bid
//! or request, so that nothing changes in the middle of one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use homeostat_logic::rules::Rules;

use crate::ports::connector::Connections;

/// One configuration's word.
#[derive(Debug)]
pub struct InForce {
    /// How events are judged.
    pub rules: Rules,
    /// How actions reach their services.
    pub connections: Connections,
}

/// The snapshot that is in force now.
pub type Live = Arc<ArcSwap<InForce>>;

impl InForce {
    /// Makes a configuration the first one in force.
    pub fn begin(rules: Rules, connections: Connections) -> Live {
        Arc::new(ArcSwap::from_pointee(Self { rules, connections }))
    }
}
