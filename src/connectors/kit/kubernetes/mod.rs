//! What the kinds of connections to Kubernetes share: how a cluster is reached, requests and what their answers mean, names,
//! rights, and who else owns an object. A kind is written on top of it, in one file.
//!
//! Authentication is that of the crate `kube`: a kubeconfig with all that it may hold, the service account of a pod, or a server with
//! a token. Objects are JSON: only few of their fields are read, and what is not read stays as it is.

pub(crate) mod cluster;
pub(crate) mod manifest;
pub(crate) mod meaning;
pub(crate) mod names;
pub(crate) mod object;
pub(crate) mod place;
pub(crate) mod resolved;
pub(crate) mod revisions;
mod right;
pub(crate) mod rights;
pub(crate) mod scaling;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod since;
pub(crate) mod subject;
pub(crate) mod watching;
pub(crate) mod workflow;

pub(crate) use cluster::Cluster;
pub(crate) use place::{Place, Resource, Where};
pub(crate) use resolved::Resolved;
pub(crate) use right::Right;
pub(crate) use session::Session;
pub(crate) use settings::ClusterSettings;
pub(crate) use subject::Subject;
