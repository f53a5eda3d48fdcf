//! Why the form of an event cannot be read, by the name of the form.

use crate::payload_fault::PayloadFault;

/// Most envelopes around one event: Debezium's change in Connect's envelope in a `CloudEvent` has three.
pub const LAYERS_MAX: usize = 4;

/// Why an envelope, or a form that is not JSON, cannot be read. All are rejections: the same bytes never become an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Bytes of another format.
    #[error("this is {0}; Homeostat reads JSON, in UTF-8 and not compressed")]
    Foreign(String),
    /// Confluent's prefix without JSON after it.
    #[error(
        "after Confluent's five-byte prefix (schema id {schema_id}) there is {found}; this topic is read as JSON, and [ingest.NAME] with form = \"registry\" reads Avro and Protobuf"
    )]
    Confluent {
        /// The id in the schema registry.
        schema_id: u32,
        /// What is there.
        found: String,
    },
    /// A record without a schema where each must have one.
    #[error(
        "the record names no schema: neither Confluent's prefix nor the header __value_schema_id is there; form = \"registry\" reads records of serializers that use a schema registry"
    )]
    Undescribed,
    /// A record that its schema in a registry does not describe.
    #[error("the record has the schema {schema}: {problem}")]
    Described {
        /// Its id, and a subject that has it.
        schema: String,
        /// What is wrong.
        problem: String,
    },
    /// Connect's envelope without an object.
    #[error(
        "the payload of the Kafka Connect envelope {{schema, payload}} is {0}; an event is a JSON object"
    )]
    Connect(&'static str),
    /// A change of a database that is no row.
    #[error(
        "this Debezium change event {0}; the row after a create, an update or a read is an event"
    )]
    Debezium(&'static str),
    /// A `CloudEvent` that cannot be taken.
    #[error(transparent)]
    CloudEvent(#[from] CloudEventFault),
    /// A payload of another tool that cannot be taken.
    #[error(transparent)]
    Payload(#[from] PayloadFault),
    /// Too many envelopes.
    #[error("there are more than {LAYERS_MAX} envelopes around the event")]
    Layers,
}

/// Why a `CloudEvent` cannot be taken. All are rejections.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudEventFault {
    /// A required attribute is missing, empty or no string.
    #[error(
        "the CloudEvents attribute {0} is missing or is not text; specversion, id, source and type are required"
    )]
    Attribute(&'static str),
    /// Of another major version.
    #[error("CloudEvents version {0} is not known; send specversion 1.0")]
    Version(String),
    /// An attribute that is given twice has no one meaning.
    #[error("the CloudEvents attribute {0} is given more than once")]
    Repeated(String),
    /// A header that is not text, or whose percent-encoding is broken.
    #[error("the header of the CloudEvents attribute {0} is not (percent-encoded) UTF-8")]
    Header(String),
    /// Nothing that rules could read.
    #[error("the CloudEvent has no data; send a JSON object, because rules read its fields")]
    NoData,
    /// Data that is JSON and no object.
    #[error(
        "the data of the CloudEvent is {0}; send a JSON object (application/json), because rules read its fields"
    )]
    NotAnObject(&'static str),
    /// Data in another format.
    #[error(
        "the data of the CloudEvent is {0}; send a JSON object (application/json), because rules read its fields"
    )]
    ContentType(String),
    /// `data_base64` that is none, or is beside `data`.
    #[error("the CloudEvent's data_base64 {0}")]
    Base64(&'static str),
    /// A batch in one record, or an event format that is not JSON.
    #[error(
        "{0} is not read here; send one CloudEvent as application/cloudevents+json or in binary mode"
    )]
    Media(String),
}
