//! stub, replaced by merge
use super::record::Id;
#[allow(missing_docs, reason = "stub")]
pub fn event_key(topic: &str, generation: u32, partition: i32, offset: i64) -> Id {
    Id::hash(&[
        topic.as_bytes(),
        &generation.to_be_bytes(),
        &partition.to_be_bytes(),
        &offset.to_be_bytes(),
    ])
}
#[allow(missing_docs, reason = "stub")]
pub fn event_identity(source: &str, id: &str) -> Id {
    Id::hash(&[source.as_bytes(), id.as_bytes()])
}
