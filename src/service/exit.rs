//! Exit codes: what a supervisor of the process, or a script, can do about its end.

use std::process::ExitCode;

use homeostat_actors::ports::log::{ErrorClass, LogError};

use super::topics::LedgerError;
use super::users::OtherStore;
use crate::catalog::FileError;
use crate::log::embedded::OpenError;
use crate::log::kafka::KafkaSettingsError;

/// Why the process ends, as far as its caller can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Anything else: start it again.
    Failed = 1,
    /// Usage or configuration: correct it first.
    Usage = 2,
    /// The ledger, or the embedded log that holds it, cannot be used: a person has to repair it.
    Ledger = 3,
    /// The log's client has failed for good: start it again.
    Log = 4,
}

impl Exit {
    /// What an error of the start means.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        let mut causes = error.chain();
        causes.find_map(Self::of_cause).unwrap_or(Self::Failed)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let of_log = |error: &LogError| (error.class() == ErrorClass::Stop).then_some(Self::Log);
        if let Some(error) = cause.downcast_ref::<LedgerError>() {
            return match error {
                LedgerError::Topic(_)
                | LedgerError::Truncated { .. }
                | LedgerError::Misplaced { .. }
                | LedgerError::Outdated { .. }
                | LedgerError::Lost(_) => Some(Self::Ledger),
                LedgerError::Log(error) => of_log(error),
            };
        }
        if cause.is::<OpenError>() {
            return Some(Self::Ledger);
        }
        if cause.is::<KafkaSettingsError>() || cause.is::<FileError>() || cause.is::<OtherStore>() {
            return Some(Self::Usage);
        }
        cause.downcast_ref::<LogError>().and_then(of_log)
    }

    /// The number.
    pub(super) const fn code(self) -> u8 {
        self as u8
    }
}

/// An error with its causes, each said once: many an error's own text names its cause already.
pub(super) fn in_full(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_code_however_it_is_wrapped() {
        let wrapped = |error: anyhow::Error| Err::<(), _>(error).context("the start").unwrap_err();
        let text = || "x".to_owned();
        let directory = std::path::PathBuf::new;
        let cases: [(anyhow::Error, u8); 13] = [
            (anyhow::Error::msg("anything"), 1),
            (LedgerError::Topic(text()).into(), 3),
            (
                LedgerError::Truncated {
                    partition: 0,
                    low: 1,
                }
                .into(),
                3,
            ),
            (
                LedgerError::Misplaced {
                    partition: 0,
                    partitions: 8,
                    why: text(),
                }
                .into(),
                3,
            ),
            (
                LedgerError::Outdated {
                    partition: 0,
                    why: text(),
                }
                .into(),
                3,
            ),
            (
                OpenError::Damaged {
                    directory: directory(),
                    reason: text(),
                }
                .into(),
                3,
            ),
            (
                OpenError::InUse {
                    directory: directory(),
                }
                .into(),
                3,
            ),
            (
                OpenError::Store {
                    directory: directory(),
                    reason: text(),
                }
                .into(),
                3,
            ),
            (LedgerError::Log(LogError::Fatal(text())).into(), 4),
            (LedgerError::Log(LogError::Refused(text())).into(), 1),
            (LedgerError::Log(LogError::Denied(text())).into(), 1),
            (LogError::Fatal(text()).into(), 4),
            (KafkaSettingsError::Client { reason: text() }.into(), 2),
        ];
        for (error, code) in cases {
            let text = error.to_string();
            assert_eq!(Exit::of(&wrapped(error)).code(), code, "{text}");
        }
    }

    #[test]
    fn a_cause_that_the_error_names_itself_is_said_once() {
        let error = crate::http::ServeError::Listen {
            listen: "127.0.0.1:1".to_owned(),
            source: std::io::Error::other("address in use"),
        };
        let text = in_full(&anyhow::Error::new(error).context("the start"));
        assert_eq!(text.matches("address in use").count(), 1, "{text}");
        assert!(
            text.starts_with("the start: cannot listen on 127.0.0.1:1"),
            "{text}"
        );
    }
}
