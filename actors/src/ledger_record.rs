//! Records as they are appended to the ledger.

use homeostat_logic::ledger::codec::{EncodeError, encode};
use homeostat_logic::ledger::record::Record;
use homeostat_logic::topic::LEDGER;

use crate::ports::log::NewRecord;

/// A record for a partition of the ledger, keyed by target.
pub(crate) fn ledger_record(
    partition: i32,
    key: String,
    record: &Record,
) -> Result<NewRecord, EncodeError> {
    Ok(NewRecord {
        topic: LEDGER.to_owned(),
        partition: Some(partition),
        key: Some(key.into_bytes()),
        value: Some(encode(record)?),
        headers: Vec::new(),
    })
}
