//! The one object that an action changes: found by its templates, read, and examined. Kinds that change objects are written on it.

use std::sync::Arc;

use homeostat_actors::ports::connector::{Answer, Finding, Order};
use serde_json::Value;

use super::rights::examined;
use super::{Cluster, Place, Resource, Right, Session, Where};

/// Times that an object is read and written within one attempt, if others change it in between.
pub(crate) const TRIES: usize = 4;

/// See the module.
pub(crate) struct Subject {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) resource: Resource,
    pub(crate) place: Where,
    /// What is read and changed of it; empty for the object itself.
    pub(crate) subresource: &'static str,
}

impl Subject {
    /// A client for the order, and where its object is.
    pub(crate) async fn begin(&self, order: &Order) -> Result<(Session<'_>, Place), Answer> {
        let session = Session::begin(&self.cluster, order).await?;
        let place = self.find(&session, order)?;
        Ok((session, place))
    }

    fn find(&self, session: &Session<'_>, order: &Order) -> Result<Place, Answer> {
        self.place.find(&self.resource, order, session.namespace())
    }

    /// A right on it.
    pub(crate) fn right(&self, verb: &'static str) -> Right {
        Right::on(&self.resource, self.subresource, verb)
    }

    /// What is there.
    pub(crate) async fn read(&self, session: &Session<'_>, place: &Place) -> Result<Value, Answer> {
        let reply = session.get(place, self.subresource).await?;
        if reply.is_success() {
            Ok(reply.body)
        } else {
            Err(reply.not_begun(&self.right("get")))
        }
    }

    /// Whether the cluster answers, the account may do this and `further`, and the object is there: `found` says what of it matters.
    pub(crate) async fn look(
        &self,
        order: &Order,
        further: &[Right],
        found: impl AsyncFnOnce(&Session<'_>, &Place, Value) -> Result<Vec<Finding>, Answer>,
    ) -> Result<Vec<Finding>, Answer> {
        let session = Session::begin(&self.cluster, order).await?;
        let mut findings = vec![session.version().await];
        let namespace = self.place.namespace(order, session.namespace())?;
        let mut rights = vec![self.right("get"), self.right("patch")];
        rights.extend_from_slice(further);
        findings.extend(session.rights(&namespace, &rights).await);
        let place = self.find(&session, order)?;
        let reply = session.get(&place, self.subresource).await?;
        if reply.is_success() {
            findings.extend(found(&session, &place, reply.body).await?);
        } else {
            findings.push(examined(&reply, &self.right("get")));
        }
        Ok(findings)
    }
}
