//! How many connections are held open for users, in total and each.

/// Label values of why a connection is refused: no place is left, or the service ends.
pub const REFUSED: [&str; 2] = ["full", "ending"];

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one user, at least 1. With one more the user's oldest is closed: what he looks at is the newest page, and
    /// a connection whose other end is gone must not keep him out.
    pub per_user: usize,
    /// Connections of all users. With one more the new one is refused.
    pub total: usize,
}

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is let in, and so many of the user's oldest are closed for it.
    Open {
        /// How many.
        closes: usize,
    },
    /// There is no place.
    Full,
}

impl Limits {
    /// Judges a new connection of a user who has `own` of `open` connections.
    pub const fn admit(self, own: usize, open: usize) -> Admission {
        let closes = (own + 1).saturating_sub(self.per_user);
        // A connection that is closed keeps its place for a moment, so it frees none.
        if open >= self.total {
            Admission::Full
        } else {
            Admission::Open { closes }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_connection_closes_the_users_oldest_and_is_refused_where_no_place_is() {
        let limits = Limits {
            per_user: 2,
            total: 4,
        };
        let open = |closes| Admission::Open { closes };
        for (own, all, expected) in [
            (0, 0, open(0)),
            (1, 1, open(0)),
            (2, 2, open(1)),
            (2, 3, open(1)),
            (4, 3, open(3)),
            (0, 3, open(0)),
            (0, 4, Admission::Full),
            (2, 4, Admission::Full),
            (0, 5, Admission::Full),
        ] {
            assert_eq!(limits.admit(own, all), expected, "{own} of {all}");
        }
    }
}
