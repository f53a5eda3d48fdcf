//! Bytes of a ledger record: one schema version byte, then JSON (ledger-protocol §3).

use super::limits::RECORD_BYTES_MAX;
use super::record::Record;

/// The schema version written here, and the only one understood. Version 2 brought the installation's identity and `start`
/// of a step; what an older version wrote has action ids that two installations share.
pub const SCHEMA_VERSION: u8 = 2;

/// Why a record could not be written. Reject: the same record never fits.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Larger than the protocol allows.
    #[error(
        "ledger record is {bytes} bytes; at most {RECORD_BYTES_MAX} are allowed, so store the event as its hash"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not expressible in JSON.
    #[error("ledger record cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Why a record could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Stop: the reader must stop executing this partition and not be ready; it must never skip such a record.
    #[error(
        "ledger record has schema version {found}, this program knows up to {SCHEMA_VERSION}; run the newer program, or, if there is none, the record is not Homeostat's: see \"A foreign record in the ledger\" in docs/kafka.md"
    )]
    NewerVersion {
        /// The version byte.
        found: u8,
    },
    /// Stop, as for a newer version: a ledger of an older program is never folded in part.
    #[error(
        "ledger record has schema version {found}, which this program no longer reads (it reads {SCHEMA_VERSION}): an older Homeostat wrote this ledger. Let its open actions end with that version, stop every instance, and give this version a new ledger: on Kafka delete the topic homeostat.ledger, with the embedded log move its directory away; this forgets actions, cooldowns and budgets"
    )]
    OlderVersion {
        /// The version byte.
        found: u8,
    },
    /// Reject: void, on every instance alike; give it to the fold as it is.
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
}

/// A record of a known version that cannot be read: void, counted, alerted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ledger record cannot be decoded: {0}")]
pub struct Undecodable(
    /// What is wrong with it.
    pub String,
);

/// Writes a record.
pub fn encode(record: &Record) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![SCHEMA_VERSION];
    serde_json::to_writer(&mut bytes, record)?;
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(EncodeError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// Reads a record. Version 0 was never written and counts as undecodable, as does an older version byte before what is no
/// JSON object: no program wrote it.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let (&version, json) = bytes
        .split_first()
        .ok_or_else(|| Undecodable("it is empty".to_owned()))?;
    if version > SCHEMA_VERSION {
        return Err(DecodeError::NewerVersion { found: version });
    }
    if version == 0 || bytes.len() > RECORD_BYTES_MAX {
        let reason = format!("schema version {version}, {} bytes", bytes.len());
        return Err(Undecodable(reason).into());
    }
    if version < SCHEMA_VERSION
        && serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json).is_ok()
    {
        return Err(DecodeError::OlderVersion { found: version });
    }
    if version < SCHEMA_VERSION {
        return Err(Undecodable(format!("schema version {version} before no JSON object")).into());
    }
    serde_json::from_slice(json).map_err(|error| Undecodable(error.to_string()).into())
}
