//! `homeostat decisions tail`: what is new between two looks, also over an outage of the service.
//!
//! A look reads pages, newest first, until one of them brings nothing unknown. What the service forgets between two looks
//! cannot be shown: it reports the newest of those, and the gap is printed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::service::Service;
use super::super::text::{array, field};
use super::super::{Failure, complain, print_while_read};
use super::{Filter, ask, put};

/// Pause between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// Decisions on a page. Of older ones than the first page holds a change is not seen.
const PAGE: &str = "500";
/// Pages of one look.
const PAGES_MAX: usize = 20;
/// Decisions remembered: as many as one look may bring.
const SEEN_MAX: usize = 10_000;

/// What the service forgot before anybody looked.
const FORGOTTEN: &str = "the service decided more since the last request than it keeps in memory; decisions may be missing here, the ledger has them all";
/// What one look leaves out.
const BEYOND: &str = "more than 10,000 decisions since the last request; the oldest of them are missing here, `homeostat decisions list` shows what the service keeps";

/// A decision's place in the listing: its time, which sorts as text, and its id.
type Place = (String, String);

/// What one look brought.
#[derive(Default)]
struct Look {
    /// Newest first.
    items: Vec<Value>,
    /// There is more than was read.
    has_more: bool,
    /// Time of the newest decision of all, whatever the filter.
    newest: Option<String>,
    /// Time of the newest decision that left the service's memory.
    forgotten_until: Option<String>,
}

/// What is known from earlier looks.
#[derive(Default)]
struct Seen {
    /// The last change of each decision: an offset of its ledger partition, which only grows.
    changes: BTreeMap<Place, i64>,
    /// What is not in `changes` and is here or before is old.
    floor: Place,
    newest: Option<String>,
    forgotten_until: Option<String>,
}

pub(super) async fn tail(service: &Service, filter: &Filter, json: bool) -> Result<(), Failure> {
    let mut seen = Seen::default();
    // What was there before is `list`'s.
    let first = look(service, filter, None).await?;
    seen.news(&first);
    let (mut heading, mut away) = (true, false);
    loop {
        tokio::time::sleep(PERIOD).await;
        let look = match look(service, filter, Some(&seen)).await {
            Ok(look) => look,
            Err(Failure::NotReached(problem)) => {
                if !std::mem::replace(&mut away, true) {
                    complain(&format!("{problem}; waiting until it answers again"));
                }
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if std::mem::take(&mut away) {
            complain("the service answers again");
            seen.after_an_outage();
        }
        for warning in seen.missed(&look) {
            complain(&format!("warning: {warning}"));
        }
        let mut text = String::new();
        for item in seen.news(&look) {
            put(&mut text, item, json, &mut heading);
        }
        if print_while_read(&text)?.is_break() {
            return Ok(());
        }
    }
}

async fn look(service: &Service, filter: &Filter, seen: Option<&Seen>) -> Result<Look, Failure> {
    let mut look = Look::default();
    let mut cursor = None::<String>;
    for number in 0..PAGES_MAX {
        let mut query = filter.pairs();
        query.push(("limit", PAGE));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = ask(service, &query).await?;
        if number == 0 {
            look.newest = field(&page, "newest");
        }
        look.forgotten_until = field(&page, "forgotten_until");
        let items = array(&page, "items");
        look.items.extend_from_slice(items);
        cursor = field(&page, "next");
        let known = seen.is_some_and(|seen| items.iter().all(|item| seen.has(&place(item))));
        if cursor.is_none() || known {
            return Ok(look);
        }
    }
    look.has_more = true;
    Ok(look)
}

fn place(item: &Value) -> Place {
    let text = |name| field(item, name).unwrap_or_default();
    (text("time"), text("id"))
}

impl Seen {
    fn has(&self, place: &Place) -> bool {
        *place <= self.floor || self.changes.contains_key(place)
    }

    /// Takes a look in. What is new or has changed, oldest first, as it happened.
    fn news<'a>(&mut self, look: &'a Look) -> Vec<&'a Value> {
        let mut news = Vec::new();
        for item in look.items.iter().rev() {
            let place = place(item);
            let changed = item.get("changed").and_then(Value::as_i64);
            let changed = changed.unwrap_or_default();
            let is_news = match self.changes.get(&place) {
                // A service that has been started again may still read earlier changes.
                Some(known) => *known < changed,
                None => place > self.floor,
            };
            if is_news {
                self.changes.insert(place, changed);
                news.push(item);
            }
        }
        if look.has_more
            && let Some(last) = look.items.last()
        {
            self.floor = std::mem::take(&mut self.floor).max(place(last));
        }
        while self.changes.len() > SEEN_MAX
            && let Some((first, _)) = self.changes.pop_first()
        {
            self.floor = std::mem::take(&mut self.floor).max(first);
        }
        // What was forgotten counts as looked at from here on: it is said once.
        let newest = look.newest.clone().max(look.forgotten_until.clone());
        self.newest = self.newest.take().max(newest);
        self.forgotten_until.clone_from(&look.forgotten_until);
        news
    }

    /// A service that reads its ledger again lists for a while what it had forgotten before.
    fn after_an_outage(&mut self) {
        if let Some(until) = self.forgotten_until.clone() {
            let after_all_of_that_time = (until, "~".to_owned());
            self.floor = std::mem::take(&mut self.floor).max(after_all_of_that_time);
        }
    }

    /// What this look cannot show.
    fn missed(&self, look: &Look) -> Vec<&'static str> {
        let forgotten = look.forgotten_until > self.newest;
        [(forgotten, FORGOTTEN), (look.has_more, BEYOND)]
            .into_iter()
            .filter_map(|(is_so, what)| is_so.then_some(what))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn look(items: &[(&str, i64)], newest: &str, forgotten_until: Option<&str>) -> Look {
        let item = |(time, changed): &(&str, i64)| json!({"id": format!("i{time}"), "time": time, "changed": changed});
        Look {
            items: items.iter().map(item).collect(),
            newest: Some(newest.to_owned()),
            forgotten_until: forgotten_until.map(str::to_owned),
            ..Look::default()
        }
    }

    fn times(news: &[&Value]) -> Vec<String> {
        news.iter().filter_map(|item| field(item, "time")).collect()
    }

    #[test]
    fn what_is_new_or_has_changed_is_news_once_and_in_its_order() {
        let mut seen = Seen::default();
        seen.news(&look(&[("2", 2), ("1", 1)], "2", None));
        let next = look(&[("4", 4), ("3", 3), ("2", 5), ("1", 1)], "4", None);
        assert!(seen.missed(&next).is_empty());
        assert_eq!(times(&seen.news(&next)), ["2", "3", "4"]);
        assert!(seen.news(&next).is_empty());
    }

    #[test]
    fn a_service_that_reads_its_ledger_again_tells_no_news_of_the_past() {
        let mut seen = Seen::default();
        seen.news(&look(&[("5", 9), ("4", 8)], "5", Some("3")));
        seen.after_an_outage();
        let reading = look(&[("4", 2), ("3", 1), ("1", 1)], "4", None);
        assert!(seen.missed(&reading).is_empty());
        assert!(seen.news(&reading).is_empty());
        let read = look(&[("6", 10), ("5", 9), ("4", 8)], "6", Some("3"));
        assert!(seen.missed(&read).is_empty());
        assert_eq!(times(&seen.news(&read)), ["6"]);
    }

    #[test]
    fn what_was_forgotten_or_left_out_between_two_looks_is_said() {
        let mut seen = Seen::default();
        seen.news(&look(&[("5", 5)], "5", Some("5")));
        let mut next = look(&[("9", 9), ("8", 8)], "9", Some("7"));
        assert_eq!(seen.missed(&next), [FORGOTTEN]);
        next.has_more = true;
        assert_eq!(seen.missed(&next), [FORGOTTEN, BEYOND]);
        assert_eq!(times(&seen.news(&next)), ["8", "9"]);
        assert!(seen.missed(&look(&[], "9", Some("7"))).is_empty(), "once");
        assert!(
            seen.has(&("7".to_owned(), String::new())),
            "too old for news"
        );
    }

    #[test]
    fn no_more_is_remembered_than_the_bound() {
        let mut seen = Seen::default();
        let times: Vec<String> = (0..=SEEN_MAX).map(|time| format!("{time:08}")).collect();
        let items: Vec<(&str, i64)> = times.iter().rev().map(|time| (time.as_str(), 1)).collect();
        seen.news(&look(&items, "x", None));
        assert_eq!(seen.changes.len(), SEEN_MAX);
        assert!(seen.news(&look(&items, "x", None)).is_empty());
    }
}
