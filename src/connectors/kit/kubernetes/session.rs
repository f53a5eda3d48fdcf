//! One order's dealings with a cluster. All requests of one order together end within the connection's `timeout_ms`; a dry run sends
//! them with `dryRun=All`, so that the cluster checks them and keeps nothing.

use homeostat_actors::ports::connector::{Answer, Order};
use homeostat_logic::ledger::record::Millis;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::Instant;

use super::cluster::{Access, Cluster, in_words};
use super::meaning::{Reply, silence};
use super::place::{Place, Resource};
use crate::connectors::kit::answer::retry_after;
use crate::connectors::kit::exchange::not_sent;

/// Whose changes these are, in `managedFields`.
pub(crate) const MANAGER: &str = "homeostat";
/// Bytes of an answer that are read: room for the `ReplicaSets` of a large namespace.
const ANSWER_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Objects of a list that are read at most.
const LIST_MAX: usize = 1_000;

impl Cluster {
    /// As [`Session::begin`].
    pub(crate) async fn begin(&self, order: &Order) -> Result<Session<'_>, Answer> {
        Session::begin(self, order).await
    }
}

/// How a patch is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patch {
    /// Fields replace fields, lists as a whole.
    Merge,
    /// A list of operations.
    Json,
}

/// A client for one order.
pub(crate) struct Session<'a> {
    cluster: &'a Cluster,
    access: Access,
    dry_run: bool,
    now: Millis,
    deadline: Instant,
}

impl<'a> Session<'a> {
    /// With the credentials of now.
    ///
    /// # Errors
    /// There are none; nothing was sent.
    pub(crate) async fn begin(cluster: &'a Cluster, order: &Order) -> Result<Self, Answer> {
        Self::at(cluster, order.now, order.dry_run).await
    }

    /// As [`Session::begin`], for work that no order asks for.
    pub(crate) async fn at(
        cluster: &'a Cluster,
        now: Millis,
        dry_run: bool,
    ) -> Result<Self, Answer> {
        let deadline = Instant::now() + cluster.limit;
        let access = tokio::time::timeout_at(deadline, cluster.access()).await;
        let access = access.unwrap_or_else(|_| {
            Err("the kubeconfig's credential plugin did not end in time".to_owned())
        });
        let access = access
            .map_err(|problem| not_sent(format!("the cluster cannot be reached: {problem}")))?;
        Ok(Self {
            cluster,
            access,
            dry_run,
            now,
            deadline,
        })
    }

    /// Whether changes are only checked.
    pub(crate) const fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// The namespace of orders that name none.
    pub(crate) fn namespace(&self) -> &str {
        &self.access.namespace
    }

    /// Reads an object, or its subresource.
    pub(crate) async fn get(&self, place: &Place, subresource: &str) -> Result<Reply, Answer> {
        self.ask(&place.path(subresource)).await
    }

    /// Reads what the API server says at an address.
    pub(crate) async fn ask(&self, path: &str) -> Result<Reply, Answer> {
        self.call(Method::GET, path, None, None).await
    }

    /// Reads the objects of a namespace.
    pub(crate) async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        labels: &str,
    ) -> Result<Reply, Answer> {
        let labels = utf8_percent_encode(labels, NON_ALPHANUMERIC);
        let path = resource.path(namespace);
        self.ask(&format!("{path}?limit={LIST_MAX}&labelSelector={labels}"))
            .await
    }

    /// Makes an object. A field that the cluster does not know is refused.
    pub(crate) async fn create(&self, place: &Place, object: &Value) -> Result<Reply, Answer> {
        let path = place.resource.path(&place.namespace);
        let path = format!("{path}?fieldManager={MANAGER}&fieldValidation=Strict");
        self.change(Method::POST, path, "application/json", object)
            .await
    }

    /// Changes an object, or its subresource.
    pub(crate) async fn patch(
        &self,
        place: &Place,
        subresource: &str,
        patch: Patch,
        body: &Value,
    ) -> Result<Reply, Answer> {
        let content = match patch {
            Patch::Merge => "application/merge-patch+json",
            Patch::Json => "application/json-patch+json",
        };
        let address = format!("{}?fieldManager={MANAGER}", place.path(subresource));
        self.change(Method::PATCH, address, content, body).await
    }

    /// Asks something by sending it, such as an access review. Nothing is kept of it.
    pub(crate) async fn review(&self, path: &str, body: &Value) -> Result<Reply, Answer> {
        self.call(Method::POST, path, Some("application/json"), Some(body))
            .await
    }

    async fn change(
        &self,
        method: Method,
        mut path: String,
        content: &str,
        body: &Value,
    ) -> Result<Reply, Answer> {
        if self.dry_run {
            path.push_str("&dryRun=All");
        }
        self.call(method, &path, Some(content), Some(body)).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        content: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Reply, Answer> {
        // A review is a question too; a change names who makes it.
        let changes = path.contains("fieldManager=") && !self.dry_run;
        let line = format!("{method} {}", path.split('?').next().unwrap_or_default());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, "application/json")
            .header(
                header::USER_AGENT,
                concat!("homeostat/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(content) = content {
            request = request.header(header::CONTENT_TYPE, content);
        }
        if let Some(authorization) = &self.access.authorization {
            request = request.header(header::AUTHORIZATION, authorization.clone());
        }
        let sent = body.map(|body| body.to_string().into_bytes());
        let request = request
            .body(Body::from(sent.unwrap_or_default()))
            .map_err(|error| not_sent(format!("{line}: {error}")))?;
        let Ok(response) =
            tokio::time::timeout_at(self.deadline, self.access.client.send(request)).await
        else {
            return Err(silence(changes, &line, "no answer within the time limit"));
        };
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                let words = self.cluster.mask(&in_words(&error));
                return Err(silence(changes && !never_left(&error), &line, &words));
            }
        };
        let status = response.status().as_u16();
        if status == 401 {
            self.cluster.forget();
        }
        let pause = response.headers().get(header::RETRY_AFTER);
        let pause = pause
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after(value, self.now));
        // The status decides; a body that breaks off, or is no JSON, changes nothing about it.
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        let body = tokio::time::timeout_at(self.deadline, body).await;
        let body = body.ok().and_then(Result::ok);
        let body = body
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        Ok(Reply {
            status,
            class: self.cluster.statuses.class(status),
            line,
            body: serde_json::from_slice(&body).unwrap_or_default(),
            retry_after_ms: pause,
            dry_run: self.dry_run,
        })
    }
}

/// Whether an error proves that no byte of the request left: there were no credentials, or no connection.
fn never_left(error: &kube::Error) -> bool {
    match error {
        kube::Error::Auth(_) | kube::Error::BuildRequest(_) => true,
        kube::Error::Service(cause) => cause
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect),
        _ => false,
    }
}
