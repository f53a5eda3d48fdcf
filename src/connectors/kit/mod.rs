//! What connections over HTTP share: a checked client, an address guard, secrets and their masking, templates, signatures, and
//! what an answer means. A kind of connection is written on top of it, in one file.

pub(crate) mod addresses;
mod answer;
mod compile;
mod context;
mod exchange;
pub(crate) mod headers;
pub(crate) mod service;
mod signature;
mod template;

pub(crate) use answer::refused;
pub(crate) use compile::Compile;
pub use compile::Problem;
pub(crate) use context::{Context, Plain};
pub(crate) use exchange::Request;
pub(crate) use service::{Service, ServiceSettings};
pub(crate) use signature::Signer;
pub(crate) use template::{Purpose, Template};
