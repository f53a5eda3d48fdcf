//! Which columns of a file hold what: as the options say, else by the usual names.

/// Columns by their use, in this order everywhere.
pub(super) const USES: [&str; 5] = ["user", "item", "time", "type", "weight"];

const USUAL: [&[&str]; 5] = [
    &[
        "user_id",
        "user",
        "userid",
        "visitorid",
        "customer_id",
        "uid",
    ],
    &[
        "item_id",
        "item_ids",
        "item",
        "itemid",
        "movie_id",
        "movieid",
        "product_id",
        "productid",
        "iid",
    ],
    &[
        "timestamp",
        "time",
        "event_time",
        "datetime",
        "date",
        "ts",
        "unixreviewtime",
    ],
    &["interaction_type", "type", "event", "event_type", "action"],
    &["weight"],
];

/// Names that the options give; `None`: the usual ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) names: [Option<String>; 5],
    /// The rows are in order, and their time does not matter.
    pub(super) in_order: bool,
}

impl Wanted {
    /// The column of each use, by its place in `present`. Type and weight can be absent.
    pub(super) fn resolve(&self, present: &[String]) -> Result<[Option<usize>; 5], String> {
        let mut found = [None; 5];
        for (place, entry) in found.iter_mut().enumerate() {
            let named = self.names.get(place).and_then(Option::as_ref);
            let usual = USUAL.get(place).copied().unwrap_or_default();
            let purpose = USES.get(place).copied().unwrap_or_default();
            let is = |name: &str| {
                present
                    .iter()
                    .position(|one| one.trim().to_lowercase() == name)
            };
            *entry = match named {
                Some(name) => present.iter().position(|one| one.trim() == name),
                None => usual.iter().find_map(|name| is(name)),
            };
            let needed = named.is_some() || place < 2 || (place == 2 && !self.in_order);
            if entry.is_none() && needed {
                return Err(self.missing(purpose, named.map(String::as_str), usual, present));
            }
        }
        Ok(found)
    }

    fn missing(
        &self,
        purpose: &str,
        named: Option<&str>,
        usual: &[&str],
        present: &[String],
    ) -> String {
        let mut columns = present
            .iter()
            .take(30)
            .map(|name| name.trim())
            .collect::<Vec<_>>()
            .join(", ");
        if present.len() > 30 {
            columns.push_str(", …");
        }
        let sought = match named {
            Some(name) => format!("no column \"{name}\" for the {purpose}"),
            None => format!("no column for the {purpose} (sought: {})", usual.join(", ")),
        };
        let order = if purpose == "time" && !self.in_order {
            ", or --in-order if the rows are in order of time"
        } else {
            ""
        };
        format!("{sought}; it has: {columns}. Name it with --{purpose} COLUMN{order}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(names: &str) -> Vec<String> {
        names.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_found_by_option_or_by_their_usual_names() {
        let usual = Wanted::default();
        let found = usual.resolve(&present("rating movieId UserId Timestamp"));
        assert_eq!(found, Ok([Some(2), Some(1), Some(3), None, None]));
        let mut named = Wanted::default();
        named.names[0] = Some("who".to_owned());
        named.names[4] = Some("rating".to_owned());
        let found = named.resolve(&present("who user_id item time rating"));
        assert_eq!(found, Ok([Some(0), Some(2), Some(3), None, Some(4)]));
    }

    #[test]
    fn a_missing_column_is_named_with_what_there_is_and_the_option_to_use() {
        let problem = Wanted::default()
            .resolve(&present("a item time"))
            .unwrap_err();
        assert!(problem.contains("for the user") && problem.contains("a, item, time"));
        assert!(problem.contains("--user COLUMN"), "{problem}");
        let problem = Wanted::default()
            .resolve(&present("user item"))
            .unwrap_err();
        assert!(problem.contains("--in-order"), "{problem}");
        let in_order = Wanted {
            in_order: true,
            ..Wanted::default()
        };
        assert_eq!(
            in_order
                .resolve(&present("user item"))
                .map(|found| found[2]),
            Ok(None)
        );
        let mut named = Wanted::default();
        named.names[3] = Some("kind".to_owned());
        let problem = named.resolve(&present("user item time type")).unwrap_err();
        assert!(
            problem.contains("no column \"kind\" for the type"),
            "{problem}"
        );
    }
}
