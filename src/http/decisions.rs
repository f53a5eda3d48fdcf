//! The decision history: filters read from the query, pages and stories.

use actix_web::web::{Data, Json, Path};
use homeostat_actors::ports::clock::Clock;
use homeostat_logic::actions::Action;
use homeostat_logic::clock_text::format_time;
use homeostat_logic::history::{Cursor, DecisionStory, DecisionSummary, Filter, Outcome, Page};
use homeostat_logic::ledger::record::{Id, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::parameters::{self, LIMIT_MAX, Parameters};
use super::problem::{Kind, Problem};
use super::route::Route;

/// How far back a listing goes by default, and at most (ten years).
const HOURS: f64 = 24.0;
const HOURS_MAX: f64 = 87_600.0;
/// Digits of an id that are enough to look for it.
const ID_DIGITS_MIN: usize = 4;

/// Where decisions are kept. Called on the HTTP worker: answers at once, from memory.
pub trait Decisions: Send + Sync + 'static {
    /// A page of decisions, newest first.
    fn decisions(&self, filter: &Filter) -> Page;

    /// The whole story of one decision, if memory still has it.
    fn decision(&self, id: Id) -> Option<DecisionStory>;
}

/// `GET /api/v1/decisions`.
pub(super) fn listing() -> Route {
    Route::get("/api/v1/decisions", "decisions", list)
        .summary("Decisions, newest first")
        .details("Every open decision, however many others follow it: one for each target and cooldown key, and those derived from them. Of closed ones the 1,000 that ended last, and apart from them the 1,000 that asked for nothing.")
}

/// `GET /api/v1/decisions/{id}`.
pub(super) fn one() -> Route {
    Route::get("/api/v1/decisions/{id}", "decision", story)
        .summary("The whole story of a decision")
        .problems(&[Kind::UnknownDecision])
}

/// Which decisions are asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listing {
    /// First digits of the id.
    #[serde(default, deserialize_with = "id_prefix")]
    #[schemars(extend("pattern" = "^[0-9a-fA-F]{4,32}$"))]
    id: Option<String>,
    /// Exact type of the event.
    event_type: Option<String>,
    /// Name of the target, or kind/name.
    target: Option<String>,
    /// Action after the gates.
    #[serde(default, deserialize_with = "action")]
    action: Option<Action>,
    /// What became of it.
    #[serde(default, deserialize_with = "outcome")]
    outcome: Option<Outcome>,
    /// Only decisions of the last so many hours. Without it, closed ones of the last 24 hours and open ones of any age.
    #[serde(default, deserialize_with = "hours")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = HOURS_MAX, "default" = HOURS))]
    hours: Option<f64>,
    /// Decisions on a page.
    #[serde(
        default = "parameters::default_limit",
        deserialize_with = "parameters::limit"
    )]
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: usize,
    /// `next` of an earlier page.
    #[serde(default, deserialize_with = "cursor")]
    #[schemars(with = "Option<String>", extend("pattern" = "^[0-9]{1,18}-[0-9a-f]{32}$"))]
    cursor: Option<Cursor>,
}

/// A page.
#[derive(Serialize, JsonSchema)]
struct Decided {
    items: Vec<DecisionSummary>,
    /// Where the next page begins, if there is more.
    next: Option<String>,
    /// Time of the newest decision in memory, whatever the filter.
    #[schemars(extend("format" = "date-time"))]
    newest: Option<String>,
    /// Time of the newest decision that has left memory; if it is later than the `newest` of an earlier page, decisions were
    /// made in between that no page shows.
    #[schemars(extend("format" = "date-time"))]
    forgotten_until: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    id: String,
}

async fn list(
    decisions: Data<dyn Decisions>,
    clock: Data<dyn Clock>,
    listing: Parameters<Listing>,
) -> Result<Json<Decided>, Problem> {
    let page = decisions.decisions(&listing.read()?.filter(clock.now()));
    Ok(Json(Decided {
        items: page.items,
        next: page.next.map(|cursor| cursor.to_string()),
        newest: page.newest.map(format_time),
        forgotten_until: page.forgotten_until.map(format_time),
    }))
}

async fn story(
    decisions: Data<dyn Decisions>,
    wanted: Path<Named>,
) -> Result<Json<DecisionStory>, Problem> {
    let story = Id::parse(&wanted.id).and_then(|id| decisions.decision(id));
    let story = story.ok_or_else(|| {
        let detail =
            "no decision with this id is in memory; GET /api/v1/decisions lists those that are";
        Problem::new(Kind::UnknownDecision, detail)
    })?;
    Ok(Json(story))
}

impl Listing {
    fn filter(self, now: Millis) -> Filter {
        #[allow(clippy::cast_possible_truncation, reason = "bounded by HOURS_MAX")]
        let back = (self.hours.unwrap_or(HOURS) * 3_600_000.0) as Millis;
        Filter {
            event_type: self.event_type,
            target: self.target,
            action: self.action,
            outcome: self.outcome,
            id_prefix: self.id,
            since: now.saturating_sub(back),
            // What is open is listed whatever its age, unless an age is asked for.
            open_of_any_age: self.hours.is_none(),
            before: self.cursor,
            limit: self.limit,
        }
    }
}

fn id_prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let wanted = "the first 4 to 32 hex digits of an id";
    let read = parameters::text(deserializer, wanted, |text| {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_prefix = digits && (ID_DIGITS_MIN..=32).contains(&text.len());
        is_prefix.then(|| text.to_ascii_lowercase())
    });
    read.map(Some)
}

fn action<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Action>, D::Error> {
    one_of(deserializer, &Action::ALL, Action::name)
}

fn outcome<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Outcome>, D::Error> {
    one_of(deserializer, &Outcome::ALL, Outcome::name)
}

fn one_of<'de, D: Deserializer<'de>, T: Copy>(
    deserializer: D,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<Option<T>, D::Error> {
    let names: Vec<&str> = all.iter().map(|item| name(*item)).collect();
    let find = |text: &str| all.iter().copied().find(|item| name(*item) == text);
    parameters::text(deserializer, &names.join(", "), find).map(Some)
}

fn hours<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let wanted = format!("a number above 0, at most {HOURS_MAX}");
    let read = parameters::text(deserializer, &wanted, |text| {
        let hours = text.parse().ok();
        hours.filter(|hours| *hours > 0.0 && *hours <= HOURS_MAX)
    });
    read.map(Some)
}

fn cursor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cursor>, D::Error> {
    parameters::text(deserializer, "the `next` of an earlier page", Cursor::parse).map(Some)
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest as _;
    use futures_util::FutureExt as _;

    use super::*;

    fn read(query: &str) -> Result<Filter, String> {
        let request =
            actix_web::test::TestRequest::with_uri(&format!("/?{query}")).to_http_request();
        let parameters = Parameters::<Listing>::extract(&request).now_or_never();
        let listing = parameters.unwrap().unwrap().read();
        listing
            .map(|listing| listing.filter(100_000_000))
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_filter_has_defaults_and_reads_every_parameter() {
        let none = read("").unwrap();
        assert_eq!((none.limit, none.since), (100, 100_000_000 - 86_400_000));
        assert!(none.open_of_any_age);
        let id = Id([7; 16]);
        let all = read(&format!(
            "id=0A0b&event_type=a%20b&target=model/m&action=scale_up&outcome=unknown&hours=0.5&limit=1000&cursor=12-{id}"
        ))
        .unwrap();
        let expected = Filter {
            event_type: Some("a b".to_owned()),
            target: Some("model/m".to_owned()),
            action: Some(Action::ScaleUp),
            outcome: Some(Outcome::Unknown),
            id_prefix: Some("0a0b".to_owned()),
            since: 100_000_000 - 1_800_000,
            open_of_any_age: false,
            before: Some(Cursor { time: 12, id }),
            limit: 1_000,
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn a_bad_value_is_refused_with_its_name_and_what_is_allowed() {
        for (query, name, allowed) in [
            ("action=explode", "action", "retrain, rollback, scale_up"),
            ("action=Retrain", "action", "retrain"),
            ("outcome=", "outcome", "pending, executed"),
            ("id=abc", "id", "4 to 32 hex"),
            ("id=0xabcd", "id", "4 to 32 hex"),
            ("hours=0", "hours", "above 0"),
            ("hours=-1", "hours", "above 0"),
            ("hours=NaN", "hours", "above 0"),
            ("hours=87601", "hours", "at most 87600"),
            ("limit=0", "limit", "1 to 1000"),
            ("limit=1001", "limit", "1 to 1000"),
            ("limit=1e2", "limit", "1 to 1000"),
            ("cursor=nonsense", "cursor", "earlier page"),
            ("limit=1&limit=2", "limit", "one of each"),
            ("colour=red", "colour", "event_type, target"),
        ] {
            let problem = read(query).unwrap_err();
            assert!(problem.contains(&format!("`{name}`")), "{query}: {problem}");
            assert!(problem.contains(allowed), "{query}: {problem}");
        }
    }
}
