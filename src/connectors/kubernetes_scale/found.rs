//! Who decides how many instances a workload has: it itself, a HorizontalPodAutoscaler, or KEDA behind that one.

use homeostat_actors::ports::connector::Answer;
use serde_json::Value;

use super::{Autoscaler, Scales};
use crate::connectors::kit::kubernetes::meaning::refusal;
use crate::connectors::kit::kubernetes::object::{Fields as _, kept_by, version};
use crate::connectors::kit::kubernetes::scaling::{Present, Scaler};
use crate::connectors::kit::kubernetes::{Place, Resource, Right, Session};

/// What KEDA takes for the most, where a ScaledObject says nothing.
const KEDA_MOST: i64 = 100;

/// What is there, and the object whose field is changed.
pub(super) struct Found {
    pub(super) present: Present,
    /// To patch, with its subresource and the name of its field.
    pub(super) object: Place,
    pub(super) subresource: &'static str,
    pub(super) field: &'static str,
    pub(super) version: String,
    pub(super) kept_by: Option<&'static str>,
}

impl Scales {
    /// Reads the workload, and who scales it.
    pub(super) async fn find(&self, session: &Session<'_>, place: &Place) -> Result<Found, Answer> {
        let scale = self.of.read(session, place).await?;
        // A scale of 0 is written by leaving `replicas` out.
        let replicas = scale.at("/spec/replicas").as_i64().unwrap_or(0);
        let itself = Found {
            present: Present {
                scaler: Scaler::Replicas,
                replicas,
                value: replicas,
                most: i64::MAX,
            },
            object: place.clone(),
            subresource: "scale",
            field: "replicas",
            version: version(&scale).to_owned(),
            kept_by: kept_by(&scale),
        };
        if self.autoscaler == Autoscaler::Ignore {
            return Ok(itself);
        }
        let Some(autoscaler) = self.autoscaler_of(session, place).await? else {
            return Ok(itself);
        };
        let name = autoscaler.at("/metadata/name").as_str().unwrap_or_default();
        if self.autoscaler == Autoscaler::Refuse {
            return Err(refusal(
                format!("{place} is scaled by HorizontalPodAutoscaler {name}"),
                "leave it to it, or write autoscaler = \"adjust\"",
            ));
        }
        let owners = autoscaler.at("/metadata/ownerReferences").as_array();
        let keda = owners
            .into_iter()
            .flatten()
            .find(|owner| owner.at("/kind") == "ScaledObject");
        let Some(keda) = keda.and_then(|owner| owner.at("/name").as_str()) else {
            let spec = autoscaler.at("/spec");
            return Ok(Found {
                present: Present {
                    scaler: Scaler::Autoscaler(name.to_owned()),
                    replicas,
                    value: spec.at("/minReplicas").as_i64().unwrap_or(1),
                    most: spec.at("/maxReplicas").as_i64().unwrap_or(0),
                },
                object: place.beside(Resource::AUTOSCALER, name),
                subresource: "",
                field: "minReplicas",
                version: version(&autoscaler).to_owned(),
                kept_by: kept_by(&autoscaler),
            });
        };
        let object = place.beside(Resource::SCALED_OBJECT, keda);
        let reply = session.get(&object, "").await?;
        if !reply.is_success() {
            return Err(reply.not_begun(&Right::on(&object.resource, "", "get")));
        }
        let spec = reply.body.at("/spec");
        Ok(Found {
            present: Present {
                scaler: Scaler::ScaledObject(keda.to_owned()),
                replicas,
                value: spec.at("/minReplicaCount").as_i64().unwrap_or(0),
                most: spec.at("/maxReplicaCount").as_i64().unwrap_or(KEDA_MOST),
            },
            version: version(&reply.body).to_owned(),
            kept_by: kept_by(&reply.body),
            object,
            subresource: "",
            field: "minReplicaCount",
        })
    }

    async fn autoscaler_of(
        &self,
        session: &Session<'_>,
        place: &Place,
    ) -> Result<Option<Value>, Answer> {
        let autoscalers = Resource::AUTOSCALER;
        let reply = session.list(&autoscalers, &place.namespace, "").await?;
        if !reply.is_success() {
            return Err(reply.not_begun(&Right::on(&autoscalers, "", "list")));
        }
        let items = reply.body.at("/items").as_array();
        let own = items.into_iter().flatten().find(|autoscaler| {
            let of = autoscaler.at("/spec/scaleTargetRef");
            let text = |field: &str| of.get(field).and_then(Value::as_str).unwrap_or_default();
            text("name") == place.name
                && place.resource.is_meant_by(text("apiVersion"), text("kind"))
        });
        Ok(own.cloned())
    }
}
