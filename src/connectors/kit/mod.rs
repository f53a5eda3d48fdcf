//! What connections over HTTP share: a checked client, an address guard, secrets and their masking, templates, signatures, and
//! what an answer means. A kind of connection is written on top of it, in one file.

pub(crate) mod act;
pub(crate) mod addresses;
mod answer;
pub(crate) mod client;
mod compile;
mod context;
pub(crate) mod credentials;
pub(crate) mod exchange;
pub(crate) mod headers;
pub(crate) mod kubernetes;
pub(crate) mod notice;
pub(crate) mod proposed;
pub(crate) mod rehearsal;
pub(crate) mod samples;
mod sent;
pub(crate) mod service;
mod signature;
mod statuses;
mod template;
mod texts;
mod trial;

pub(crate) use act::{Act, Acting};
pub(crate) use answer::{TOO_MANY_PAUSE_MS, refused};
pub(crate) use compile::Compile;
pub use compile::Problem;
pub(crate) use context::{Context, NAMES, Plain};
pub(crate) use credentials::{CredentialSettings, Credentials};
pub(crate) use exchange::{Call, Reply, Talk};
pub(crate) use headers::Headers;
pub(crate) use service::{Service, ServiceSettings};
pub(crate) use signature::Signer;
pub(crate) use statuses::{Class, StatusSettings, Statuses};
pub(crate) use template::{Purpose, Template};
pub(crate) use texts::Texts;
pub(crate) use trial::json_fault;
