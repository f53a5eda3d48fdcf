//! Dead letters as plain data: how one is named, what a replay of it carries, and what identity that gives the replay.

pub mod breaker;

use crate::ledger::identity::event_key;
use crate::ledger::record::Id;

/// Header of a replayed record: the letter it repeats.
pub const REPLAY_OF_HEADER: &str = "homeostat-replay-of";
/// Header of a replayed record: where the event stood first, as `topic/partition/offset`.
pub const REPLAY_POSITION_HEADER: &str = "homeostat-replay-position";
/// Header of a marker in the dead-letter topic: the letter that was replayed.
pub const REPLAYED_HEADER: &str = "replayed";

/// Names a dead letter: its own position in the dead-letter topic, written `partition-offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId {
    /// Partition of the dead-letter topic.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

impl LetterId {
    /// Reads `partition-offset`, only in the form that is written.
    pub fn parse(text: &str) -> Option<Self> {
        let (partition, offset) = text.split_once('-')?;
        let id = Self {
            partition: partition.parse().ok().filter(|number| *number >= 0)?,
            offset: offset.parse().ok().filter(|number| *number >= 0)?,
        };
        (id.to_string() == text).then_some(id)
    }
}

impl std::fmt::Display for LetterId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.partition, self.offset)
    }
}

/// Where an event stood first. A replay of a replay keeps the first position, so that the whole chain is one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Topic name.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl Position {
    /// Reads `topic/partition/offset`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let position = Self {
            topic: parts.next().filter(|topic| !topic.is_empty())?.to_owned(),
            partition: parts.next()?.parse().ok()?,
            offset: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(position)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}/{}/{}",
            self.topic, self.partition, self.offset
        )
    }
}

/// The identity of a replayed event: that of the position where it stood first. So every replay of one letter, replays of
/// the letters that a failed replay left, and two letters of one record (a crash between letter and offset writes a second)
/// are one event to the fold, which also knows the position if the event had been decided before it was buried.
pub fn replay_identity<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    generation: u32,
) -> Option<Id> {
    let (of, position) = replayed(headers)?;
    Some(match position {
        Some(first) => event_key(&first.topic, generation, first.partition, first.offset),
        // Only the letter is known: its name is an identity as well.
        None => Id::hash(&[b"replay", of]),
    })
}

/// Where a replayed event stood first, if it is one and that is known.
pub fn first_position<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Option<Position> {
    replayed(headers)?.1
}

/// The letter that a record repeats, and where its event stood first; `None` for a record that is no replay.
fn replayed<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Option<(&'a [u8], Option<Position>)> {
    let (mut of, mut position) = (None, None);
    for (name, value) in headers {
        match name {
            REPLAY_OF_HEADER => of = Some(value),
            REPLAY_POSITION_HEADER => {
                position = std::str::from_utf8(value).ok().and_then(Position::parse);
            }
            _ => {}
        }
    }
    Some((of?, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_named_by_its_position_in_one_form_only() {
        let id = LetterId {
            partition: 0,
            offset: 17,
        };
        assert_eq!(LetterId::parse(&id.to_string()), Some(id));
        for wrong in [
            "", "0", "0-", "-1-2", "0--1", "00-1", "0-+1", "0-1-2", "a-b",
        ] {
            assert_eq!(LetterId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = Position {
            topic: "data.ingested".to_owned(),
            partition: 2,
            offset: 9,
        };
        assert_eq!(Position::parse(&position.to_string()), Some(position));
        for wrong in ["", "a/1", "/1/2", "a/x/2", "a/1/2/3"] {
            assert_eq!(Position::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_replay_has_the_identity_of_the_first_position() {
        let identity = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes()));
            replay_identity(headers, 3)
        };
        let of = (REPLAY_OF_HEADER, "0-1");
        let first = (REPLAY_POSITION_HEADER, "t/1/2");
        assert_eq!(
            identity(&[("trace", "x"), of, first]),
            Some(event_key("t", 3, 1, 2))
        );
        // Another letter of the same record.
        assert_eq!(
            identity(&[(REPLAY_OF_HEADER, "0-9"), first]),
            identity(&[of, first])
        );
        let position = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes()));
            first_position(headers).map(|position| position.to_string())
        };
        assert_eq!(position(&[of, first]).as_deref(), Some("t/1/2"));
        assert_eq!(position(&[first]), None);
        assert_eq!(position(&[of]), None);
        // No replay.
        assert_eq!(identity(&[first]), None);
        assert_eq!(identity(&[]), None);
        // Without a position the letters differ.
        let alone = identity(&[of]);
        assert!(alone.is_some() && alone != identity(&[(REPLAY_OF_HEADER, "0-2")]));
        assert_eq!(alone, identity(&[of, (REPLAY_POSITION_HEADER, "nonsense")]));
    }
}
