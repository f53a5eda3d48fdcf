//! What the tests of the log share.

pub(crate) mod kafka;
pub(crate) mod recorder;
pub(crate) mod segments;
pub(crate) mod world;
