//! When a step may start: now, or inside one of its windows (ledger-protocol §3; issue 13, row 4). Two variants, so that a
//! list of windows that came out empty cannot mean "now".

use serde::{Deserialize, Serialize};

use super::times::Millis;

/// Windows of a step at most.
pub const WINDOWS_MAX: usize = 8;

/// When a step may start for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// As soon as it is accepted.
    #[default]
    Now,
    /// Only inside one of these windows.
    Within(Windows),
}

impl When {
    /// The windows in order; none for [`When::Now`].
    pub fn windows(&self) -> impl Iterator<Item = &Window> {
        let windows = match self {
            Self::Now => None,
            Self::Within(windows) => Some(windows.iter()),
        };
        windows.into_iter().flatten()
    }

    /// Whether it is [`When::Now`].
    pub const fn is_now(&self) -> bool {
        matches!(self, Self::Now)
    }
}

/// A time window in UTC, `from` included, `to` excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Start.
    pub from: Millis,
    /// End.
    pub to: Millis,
}

/// One to eight windows in time order: each begins before it ends, and none before the one in front of it has ended. A
/// record that says otherwise cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Window>", into = "Vec<Window>")]
pub struct Windows {
    first: Window,
    later: Vec<Window>,
}

impl Windows {
    /// The windows, the earliest first.
    pub fn iter(&self) -> impl Iterator<Item = &Window> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// The earliest window.
    pub const fn first(&self) -> Window {
        self.first
    }

    /// The end of the last window: after it the step cannot start.
    pub fn end(&self) -> Millis {
        self.later.last().unwrap_or(&self.first).to
    }
}

/// Why a list of windows is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowsError {
    /// "Now" is [`When::Now`], never an empty list.
    #[error("the list of windows is empty; 1 to {WINDOWS_MAX} are allowed")]
    Empty,
    /// More than a record may hold.
    #[error("there are {found} windows; 1 to {WINDOWS_MAX} are allowed")]
    TooMany {
        /// Their number.
        found: usize,
    },
    /// A window ends before it begins, or begins before the one in front of it has ended.
    #[error("window {index} (from {from} to {to}) is empty or overlaps the one before it")]
    Order {
        /// Which one, from 0.
        index: usize,
        /// Its start.
        from: Millis,
        /// Its end.
        to: Millis,
    },
}

impl TryFrom<Vec<Window>> for Windows {
    type Error = WindowsError;

    fn try_from(windows: Vec<Window>) -> Result<Self, WindowsError> {
        let found = windows.len();
        if found > WINDOWS_MAX {
            return Err(WindowsError::TooMany { found });
        }
        let mut free_from = Millis::MIN;
        for (index, &Window { from, to }) in windows.iter().enumerate() {
            if from < free_from || to <= from {
                return Err(WindowsError::Order { index, from, to });
            }
            free_from = to;
        }
        let mut windows = windows.into_iter();
        let first = windows.next().ok_or(WindowsError::Empty)?;
        let later = windows.collect();
        Ok(Self { first, later })
    }
}

impl From<Windows> for Vec<Window> {
    fn from(windows: Windows) -> Self {
        windows.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(windows: &[(Millis, Millis)]) -> Vec<Window> {
        let window = |&(from, to)| Window { from, to };
        windows.iter().map(window).collect()
    }

    #[test]
    fn windows_are_one_to_eight_in_order_also_when_they_are_decoded() {
        let hourly = |count: i64| {
            (0..count)
                .map(|n| (n * 10, n * 10 + 10))
                .collect::<Vec<_>>()
        };
        for valid in [vec![(0, 1)], hourly(8)] {
            let windows = list(&valid);
            let json = serde_json::to_value(&windows).unwrap();
            let read: Windows = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), json);
            assert_eq!(Windows::try_from(windows), Ok(read));
        }
        for (invalid, words) in [
            (vec![], "empty"),
            (hourly(9), "9 windows"),
            (vec![(5, 5)], "window 0"),
            (vec![(5, 4)], "window 0"),
            (vec![(0, 10), (9, 12)], "window 1"),
            (vec![(20, 30), (0, 10)], "window 1"),
        ] {
            let json = serde_json::json!({ "within": list(&invalid) });
            let error = serde_json::from_value::<When>(json).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn now_and_windows_are_written_differently() {
        let within = When::Within(list(&[(1, 2)]).try_into().unwrap());
        assert_eq!(serde_json::to_string(&When::Now).unwrap(), r#""now""#);
        assert_eq!(
            serde_json::to_string(&within).unwrap(),
            r#"{"within":[{"from":1,"to":2}]}"#
        );
        assert_eq!(serde_json::from_str::<When>(r#""now""#).unwrap(), When::Now);
    }
}
