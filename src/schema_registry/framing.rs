//! Which schema a record has: Confluent's prefix before the value, or the header that newer serializers write in its place.
//!
//! Either is a byte that says what follows: 0 and an id of four bytes, or 1 and a GUID of sixteen. For Protobuf the indexes of the
//! message come behind it.

use homeostat_actors::ports::log::RecordView;
use uuid::Uuid;

/// Header of serializers that leave the value alone.
const HEADER: &str = "__value_schema_id";

/// What a registry knows a schema by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SchemaKey {
    Id(u32),
    Guid(Uuid),
}

impl std::fmt::Display for SchemaKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(formatter, "id {id}"),
            Self::Guid(guid) => write!(formatter, "guid {guid}"),
        }
    }
}

/// A record with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framed<'a> {
    pub(super) schema: SchemaKey,
    /// What is behind the schema's key in the header; `None` = there is no header, and it begins the data.
    pub(super) beside: Option<&'a [u8]>,
    pub(super) data: &'a [u8],
}

/// The schema and data of a record; `None` for a record without a schema.
pub(super) fn framed(record: RecordView<'_>) -> Option<Framed<'_>> {
    let value = record.value?;
    let header = record.text_headers().find(|(name, _)| *name == HEADER);
    if let Some((schema, beside)) = header.and_then(|(_, header)| key(header)) {
        return Some(Framed {
            schema,
            beside: Some(beside),
            data: value,
        });
    }
    let (schema, data) = key(value)?;
    Some(Framed {
        schema,
        beside: None,
        data,
    })
}

fn key(bytes: &[u8]) -> Option<(SchemaKey, &[u8])> {
    match bytes.split_first()? {
        (0, rest) => {
            let (id, rest) = rest.split_first_chunk()?;
            Some((SchemaKey::Id(u32::from_be_bytes(*id)), rest))
        }
        (1, rest) => {
            let (guid, rest) = rest.split_first_chunk()?;
            Some((SchemaKey::Guid(Uuid::from_bytes(*guid)), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use homeostat_actors::ports::log::Header;

    use super::*;

    fn record<'a>(value: &'a [u8], headers: &'a [Header]) -> RecordView<'a> {
        RecordView {
            offset: 0,
            timestamp: 0,
            key: None,
            value: Some(value),
            headers,
        }
    }

    #[test]
    fn a_schema_is_named_before_the_value_or_in_a_header() {
        let guid = [7; 16];
        let long = [&[1][..], &guid, b"x"].concat();
        let header = [Header::new(HEADER, [&[1][..], &guid, &[0]].concat())];
        let (id, guid) = (SchemaKey::Id(258), SchemaKey::Guid(Uuid::from_bytes(guid)));
        let none: &[Header] = &[];
        for (value, headers, expected) in [
            (&[0, 0, 0, 1, 2, 9][..], none, Some((id, None, &[9][..]))),
            (&[0, 0, 0, 1, 2], none, Some((id, None, &[]))),
            (&long, none, Some((guid, None, b"x"))),
            (b"{}", &header, Some((guid, Some(&[0][..]), b"{}"))),
            (&[0, 0, 0, 1], none, None),
            (&long[..16], none, None),
            (&[2, 0, 0, 0, 1], none, None),
            (b"{}", none, None),
            (b"", none, None),
        ] {
            let found = framed(record(value, headers));
            let found = found.map(|found| (found.schema, found.beside, found.data));
            assert_eq!(found, expected, "{value:?}");
        }
    }
}
