//! What an error of Redis means for a call: whether trying again can help, whether the connection is of use any more, and what to
//! do about it.

use homeostat_actors::ports::user_store::StoreError;
use redis::{ErrorKind, RedisError};

/// An error, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What the caller gets.
    pub(super) error: StoreError,
    /// Whether the connection must be replaced.
    pub(super) ends_connection: bool,
    /// Whether reading works all the same.
    pub(super) of_writes: bool,
}

/// Codes of Redis, whether a new connection may help, whether only writes are concerned, and what to do.
const CODES: [(&str, bool, bool, &str); 15] = [
    (
        "OOM",
        false,
        true,
        "Redis is full: raise its maxmemory, or give it more room (docs/store.md has sizes)",
    ),
    (
        "MISCONF",
        false,
        true,
        "Redis cannot save to its disk: look into its log",
    ),
    (
        "NOREPLICAS",
        false,
        true,
        "Redis has too few replicas for min-replicas-to-write: mend them",
    ),
    (
        "READONLY",
        true,
        true,
        "this Redis is a replica: name the primary in store.redis_url",
    ),
    (
        "LOADING",
        false,
        false,
        "Redis reads its data after a start; this ends by itself",
    ),
    (
        "BUSY",
        false,
        false,
        "a script of another program occupies Redis",
    ),
    (
        "MASTERDOWN",
        true,
        false,
        "this Redis is a replica without its primary: name the primary in store.redis_url",
    ),
    (
        "CLUSTERDOWN",
        false,
        false,
        "the cluster misses a master: mend it",
    ),
    (
        "TRYAGAIN",
        false,
        false,
        "the cluster moves keys; this ends by itself",
    ),
    (
        "NOAUTH",
        true,
        false,
        "set store.password (and store.username)",
    ),
    (
        "WRONGPASS",
        true,
        false,
        "correct store.username or store.password",
    ),
    (
        "NOPERM",
        false,
        false,
        "give this user the commands and keys of docs/store.md",
    ),
    (
        "MOVED",
        true,
        false,
        "this Redis is a node of a cluster and did not say so: allow it INFO",
    ),
    (
        "ASK",
        true,
        false,
        "this Redis is a node of a cluster and did not say so: allow it INFO",
    ),
    (
        "CROSSSLOT",
        false,
        false,
        "report this: a command has touched two keys",
    ),
];

/// Judges an error; `what` says of which key or step.
pub(super) fn judge(error: &RedisError, what: &str) -> Fault {
    let code = error.code().unwrap_or_default();
    if code == "WRONGTYPE" {
        let message = format!(
            "{what} holds another program's data (WRONGTYPE): remove that key, or set store.key_prefix"
        );
        return Fault {
            error: StoreError::Refused(message),
            ends_connection: false,
            of_writes: false,
        };
    }
    let said = said(error);
    if let Some((_, ends_connection, of_writes, remedy)) =
        CODES.iter().find(|(known, ..)| *known == code)
    {
        return Fault {
            error: StoreError::Unavailable(format!("{what}: {said}; {remedy}")),
            ends_connection: *ends_connection,
            of_writes: *of_writes,
        };
    }
    let is_login = error.kind() == ErrorKind::AuthenticationFailed;
    let remedy = if is_login {
        "; correct store.username or store.password"
    } else if error.is_timeout() {
        "; it may be overloaded, or store.response_timeout_ms too short"
    } else if error.is_connection_refusal() {
        "; start Redis, or correct store.redis_url"
    } else {
        ""
    };
    Fault {
        error: StoreError::Unavailable(format!("{what}: {said}{remedy}")),
        // Any answer with a code is one of a connection that works.
        ends_connection: code.is_empty() || is_login,
        of_writes: false,
    }
}

/// The words of Redis or of the client. Passwords are in none of them.
fn said(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> RedisError {
        let bytes = format!("-{line}\r\n");
        let value = redis::parse_redis_value(bytes.as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn each_error_says_what_to_do_and_whether_to_try_again() {
        for (line, refused, ends_connection, of_writes, word) in [
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                false,
                false,
                true,
                "maxmemory",
            ),
            (
                "READONLY You can't write against a read only replica.",
                false,
                true,
                true,
                "primary",
            ),
            (
                "LOADING Redis is loading the dataset in memory",
                false,
                false,
                false,
                "by itself",
            ),
            (
                "NOAUTH Authentication required.",
                false,
                true,
                false,
                "store.password",
            ),
            (
                "WRONGPASS invalid username-password pair",
                false,
                true,
                false,
                "store.password",
            ),
            (
                "NOPERM User a has no permissions to run the 'evalsha' command",
                false,
                false,
                false,
                "docs/store.md",
            ),
            (
                "MISCONF Redis is configured to save RDB snapshots",
                false,
                false,
                true,
                "disk",
            ),
            (
                "CLUSTERDOWN The cluster is down",
                false,
                false,
                false,
                "master",
            ),
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value",
                true,
                false,
                false,
                "key_prefix",
            ),
            (
                "ERR unknown command",
                false,
                false,
                false,
                "unknown command",
            ),
            ("SOMETHING new", false, false, false, "SOMETHING new"),
        ] {
            let fault = judge(&answer(line), "user_profile:7");
            let is_refused = matches!(fault.error, StoreError::Refused(_));
            assert_eq!(is_refused, refused, "{line}");
            assert_eq!(fault.ends_connection, ends_connection, "{line}");
            assert_eq!(fault.of_writes, of_writes, "{line}");
            let message = fault.error.to_string();
            assert!(message.contains(word), "{message}");
            assert!(message.contains("user_profile:7"), "{message}");
        }
    }

    #[test]
    fn a_broken_connection_is_replaced() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let fault = judge(&RedisError::from(reset), "Redis");
        assert!(fault.ends_connection && !fault.of_writes);
        assert!(matches!(fault.error, StoreError::Unavailable(_)));
    }
}
