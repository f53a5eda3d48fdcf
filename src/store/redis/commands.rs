//! Reading and changing users: names of keys, commands, and what their answers mean.

use std::collections::BTreeMap;

use homeostat_actors::ports::user_store::{
    Change, Entry, Key, Lifetimes, StoreError, Stored, check_user,
};
use redis::{Cmd, RedisError, Script, Value, cmd};

use super::Shared;
use crate::store::folded::{self, Last};

/// The script that writes a versioned value.
pub(super) const PUT_NEWER: &str = include_str!("put_newer.lua");

/// Names of keys, and how values are written to them.
pub(super) struct Keys {
    prefix: String,
    lifetimes: Lifetimes,
    put_newer: Script,
}

/// How Redis is asked to run the script.
#[derive(Clone, Copy)]
enum ByWhat {
    /// By its hash, which Redis knows once it has run.
    Hash,
    /// By its text, after which Redis knows it.
    Text,
}

impl Keys {
    pub(super) fn new(prefix: String, lifetimes: Lifetimes) -> Self {
        let put_newer = Script::new(PUT_NEWER);
        Self {
            prefix,
            lifetimes,
            put_newer,
        }
    }

    /// A key in Redis, below the prefix.
    pub(super) fn name(&self, rest: impl std::fmt::Display) -> String {
        format!("{}{rest}", self.prefix)
    }

    pub(super) fn get(&self, key: impl std::fmt::Display) -> Cmd {
        let mut get = cmd("GET");
        get.arg(self.name(key));
        get
    }

    /// Milliseconds that an entry lives; 0 = for ever.
    fn lifetime(&self, entry: Entry) -> u64 {
        self.lifetimes.of(entry).map_or(0, |lifetime| {
            u64::try_from(lifetime.as_millis())
                .unwrap_or(u64::MAX)
                .max(1)
        })
    }

    fn change(&self, key: &Key, last: Last<'_>, by: ByWhat) -> Cmd {
        let name = self.name(key);
        let lifetime = self.lifetime(key.entry);
        match last {
            Last::Remove => {
                let mut remove = cmd("DEL");
                remove.arg(name);
                remove
            }
            Last::Put(_, value) => {
                let mut put = cmd("SET");
                put.arg(name).arg(value);
                if lifetime > 0 {
                    put.arg("PX").arg(lifetime);
                }
                put
            }
            Last::Newer(position, value) => {
                let mut put = match by {
                    ByWhat::Hash => cmd("EVALSHA"),
                    ByWhat::Text => cmd("EVAL"),
                };
                match by {
                    ByWhat::Hash => put.arg(self.put_newer.get_hash()),
                    ByWhat::Text => put.arg(PUT_NEWER),
                };
                put.arg(1).arg(name).arg(position).arg(value).arg(lifetime);
                put
            }
        }
    }
}

impl Shared {
    /// Values by their keys.
    pub(super) async fn read(&self, keys: Vec<Key>) -> Result<Vec<Option<Stored>>, StoreError> {
        for key in &keys {
            check_user(&key.user)?;
        }
        let commands = keys.iter().map(|key| self.keys.get(key)).collect();
        let answers = self.link.run(commands, false).await?;
        let mut unreadable: Option<(&Key, usize)> = None;
        let mut values = Vec::with_capacity(keys.len());
        for (key, answer) in keys.iter().zip(answers) {
            let stored = self.stored(key, answer)?;
            let is_readable = stored.as_ref().is_none_or(|stored| {
                stored.position != Stored::WITHOUT || !key.entry.is_versioned()
            });
            if !is_readable {
                unreadable = Some(unreadable.map_or((key, 1), |(first, count)| (first, count + 1)));
            }
            values.push(stored);
        }
        if let Some((first, count)) = unreadable {
            tracing::warn!(
                %first,
                count,
                "user store: values in Redis do not begin with a position: another program's? The next write replaces them; store.key_prefix keeps programs apart"
            );
        }
        Ok(values)
    }

    /// One answer. What is there and cannot be read is a value without a position.
    pub(super) fn stored(
        &self,
        key: &Key,
        answer: Result<Value, RedisError>,
    ) -> Result<Option<Stored>, StoreError> {
        let unreadable = Stored {
            position: Stored::WITHOUT,
            value: String::new(),
        };
        match answer {
            Ok(Value::Nil) => Ok(None),
            Ok(value) => {
                let bytes = bytes(value);
                let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                Ok(Some(text.map_or(unreadable, Stored::read)))
            }
            Err(error) if error.code() == Some("WRONGTYPE") => Ok(Some(unreadable)),
            Err(error) => Err(self.link.judge(&error, key).error),
        }
    }

    /// Makes changes, each key once.
    pub(super) async fn change(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut refused = None;
        let possible = changes.iter().filter(|change| {
            let checked = change.check().err();
            let is_possible = checked.is_none();
            refused = refused.take().or(checked);
            is_possible
        });
        let mut left = folded::fold(possible);
        // The second time for those whose script Redis did not know.
        for by in [ByWhat::Hash, ByWhat::Text] {
            let commands = left
                .iter()
                .map(|(key, last)| self.keys.change(key, *last, by))
                .collect();
            let answers = self.link.run(commands, true).await?;
            let mut unknown = Vec::new();
            let mut unavailable = None;
            for ((key, last), answer) in left.into_iter().zip(answers) {
                let Err(error) = answer else { continue };
                if error.code() == Some("NOSCRIPT") {
                    unknown.push((key, last));
                    continue;
                }
                match self.link.judge(&error, key).error {
                    fault @ StoreError::Refused(_) => refused = refused.or(Some(fault)),
                    fault @ StoreError::Unavailable(_) => {
                        unavailable = unavailable.or(Some(fault));
                    }
                }
            }
            if let Some(unavailable) = unavailable {
                return Err(unavailable);
            }
            if unknown.is_empty() {
                break;
            }
            left = unknown;
        }
        refused.map_or(Ok(()), Err)
    }
}

/// The bytes of a value, if it has any.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.into_bytes()),
        _ => None,
    }
}

/// What `INFO` says, by name.
pub(super) fn facts(info: &str) -> BTreeMap<&str, &str> {
    info.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect()
}
