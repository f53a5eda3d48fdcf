//! Pages for people: text, style and scripts of `web/`, which read the same API as everybody. Nothing is built: what is in
//! `web/` is what is served, and all of it is in the binary.
//!
//! Every address in a page is relative to where it was asked for, so that pages work behind a prefix that a proxy removes.

pub(super) mod assets;
mod files;
mod page;
pub(super) mod recommendations;
mod tagged;
pub(super) mod users;

pub(super) use page::AskedPath;
