//! Where the user store has what concerns a shard of users as a whole.

use crate::ports::user_store::{Entry, Key};

/// Where it is kept which records came already.
pub(crate) fn origins_key(shard: u32) -> Key {
    Key::new(Entry::Shard, shard.to_string())
}
