//! Blobs in Redis: in chunks, a key each, and one key that names the chunks of the whole, by which it is replaced in one step.
//!
//! ```text
//! homeostat_blob:NAME              {"generation":"…","chunks":3,"bytes":9000000,"sha256":"…"}
//! homeostat_blob:NAME:GENERATION:0 the first chunk
//! ```
//! Chunks end by themselves until the whole is there, and a minute after another one has taken its place, when no reader has to
//! finish any more. So none remains of a writer that stopped in the middle.

use homeostat_actors::ports::user_store::{BLOB_BYTES_MAX, StoreError};
use redis::{Cmd, RedisResult, Value, cmd};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Shared;
use super::commands::bytes;

/// Bytes of a chunk: written and read well within the time limit of an answer.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Chunks sent or asked for at the same time.
const CHUNKS_AT_ONCE: usize = 4;
/// Seconds that chunks live until they are made to last: a week, since a writer may stop right after it named them.
const UNNAMED_SECONDS: u64 = 7 * 24 * 60 * 60;
/// Seconds that chunks live after another whole took their place.
const REPLACED_SECONDS: u64 = 60;
/// How often a reader begins again because the whole was replaced.
const READS: usize = 5;

/// What names a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    generation: String,
    chunks: usize,
    bytes: usize,
    sha256: String,
}

impl Shared {
    fn head_key(&self, name: &str) -> String {
        self.keys.name(format_args!("homeostat_blob:{name}"))
    }

    fn chunk_key(&self, name: &str, generation: &str, chunk: usize) -> String {
        format!("{}:{generation}:{chunk}", self.head_key(name))
    }

    /// A command on each chunk of a whole.
    fn of_chunks(&self, name: &str, head: &Head, command: &str, argument: Option<u64>) -> Vec<Cmd> {
        let one = |chunk| {
            let mut one = cmd(command);
            one.arg(self.chunk_key(name, &head.generation, chunk));
            if let Some(argument) = argument {
                one.arg(argument);
            }
            one
        };
        (0..head.chunks).map(one).collect()
    }

    /// Runs commands, all of which must succeed.
    async fn all(&self, commands: Vec<Cmd>, writes: bool) -> Result<Vec<Value>, StoreError> {
        let answers = self.link.run(commands, writes).await?;
        let answers: RedisResult<Vec<Value>> = answers.into_iter().collect();
        answers.map_err(|error| self.link.judge(&error, &"homeostat_blob").error)
    }

    /// Replaces a blob.
    pub(super) async fn put_blob(&self, name: &str, content: Vec<u8>) -> Result<(), StoreError> {
        if content.len() > BLOB_BYTES_MAX {
            let size = content.len();
            return Err(StoreError::Refused(format!(
                "{name} has {size} bytes, more than {BLOB_BYTES_MAX}"
            )));
        }
        let new = Head {
            generation: uuid::Uuid::new_v4().simple().to_string(),
            chunks: content.len().div_ceil(CHUNK_BYTES),
            bytes: content.len(),
            sha256: hash(&content),
        };
        let mut number = 0;
        for group in content.chunks(CHUNK_BYTES * CHUNKS_AT_ONCE) {
            let mut commands = Vec::with_capacity(CHUNKS_AT_ONCE);
            for chunk in group.chunks(CHUNK_BYTES) {
                let mut set = cmd("SET");
                set.arg(self.chunk_key(name, &new.generation, number))
                    .arg(chunk)
                    .arg("EX")
                    .arg(UNNAMED_SECONDS);
                commands.push(set);
                number += 1;
            }
            self.all(commands, true).await?;
        }
        drop(content);
        let text = serde_json::to_string(&new)
            .map_err(|error| StoreError::Refused(format!("{name}: {error}")))?;
        let mut replace = cmd("GETSET");
        replace.arg(self.head_key(name)).arg(text);
        let before = self.all(vec![replace], true).await?;
        self.all(self.of_chunks(name, &new, "PERSIST", None), true)
            .await?;
        let before = before.into_iter().next().and_then(bytes);
        let replaced = before.and_then(|before| serde_json::from_slice::<Head>(&before).ok());
        // Another writer may have replaced this one before its chunks were made to last.
        let own = (self.head(name).await?.as_ref() != Some(&new)).then_some(new);
        for gone in [replaced, own].into_iter().flatten() {
            let ends = self.of_chunks(name, &gone, "EXPIRE", Some(REPLACED_SECONDS));
            self.all(ends, true).await?;
        }
        Ok(())
    }

    /// What names the present whole.
    async fn head(&self, name: &str) -> Result<Option<Head>, StoreError> {
        let mut get = cmd("GET");
        get.arg(self.head_key(name));
        let answer = self.all(vec![get], false).await?.into_iter().next();
        let Some(text) = answer.and_then(bytes) else {
            return Ok(None);
        };
        let head = serde_json::from_slice(&text);
        head.map(Some)
            .map_err(|_| self.damaged(name, "it cannot be read"))
    }

    /// Reads a blob.
    pub(super) async fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        for _ in 0..READS {
            let Some(head) = self.head(name).await? else {
                return Ok(None);
            };
            if let Some(content) = self.content(name, &head).await? {
                return Ok(Some(content));
            }
            if self.head(name).await?.as_ref() == Some(&head) {
                return Err(self.damaged(name, "a part is gone, or not what was written"));
            }
        }
        Err(StoreError::Unavailable(format!(
            "{name} was replaced again and again while it was read"
        )))
    }

    /// All chunks of a whole; `None` if one is missing or another.
    async fn content(&self, name: &str, head: &Head) -> Result<Option<Vec<u8>>, StoreError> {
        if head.bytes > BLOB_BYTES_MAX || head.chunks != head.bytes.div_ceil(CHUNK_BYTES) {
            return Ok(None);
        }
        let mut content = Vec::with_capacity(head.bytes);
        let mut gets = self.of_chunks(name, head, "GET", None).into_iter();
        loop {
            let group: Vec<Cmd> = gets.by_ref().take(CHUNKS_AT_ONCE).collect();
            if group.is_empty() {
                break;
            }
            for chunk in self.all(group, false).await? {
                match bytes(chunk) {
                    Some(chunk) => content.extend_from_slice(&chunk),
                    None => return Ok(None),
                }
            }
        }
        Ok((hash(&content) == head.sha256).then_some(content))
    }

    fn damaged(&self, name: &str, why: &str) -> StoreError {
        let key = self.head_key(name);
        StoreError::Refused(format!(
            "the blob {key} is damaged: {why}; remove that key to do without it"
        ))
    }
}

/// In hexadecimal.
fn hash(content: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}
