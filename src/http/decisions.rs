//! The decision history: filters read from the query, pages and stories.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use homeostat_logic::action::Action;
use homeostat_logic::history::{Cursor, Filter, Outcome, format_time};
use homeostat_logic::ledger::record::{Id, Millis};
use serde_json::json;

use super::ApiState;
use super::problem::{Kind, Problem};

/// Decisions on a page unless told otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// How far back a listing goes unless told otherwise, and at most (ten years).
const HOURS: f64 = 24.0;
const HOURS_MAX: f64 = 87_600.0;
/// Parameters of a listing.
const PARAMETERS: [&str; 8] = [
    "id",
    "event_type",
    "target",
    "action",
    "outcome",
    "hours",
    "limit",
    "cursor",
];

/// `GET /api/v1/decisions`.
pub(super) async fn list(
    state: Data<ApiState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let parameters = parameters(&request, &PARAMETERS)?;
    let page = state
        .queries
        .decisions(&filter(&parameters, state.clock.now())?);
    Ok(HttpResponse::Ok().json(json!({
        "items": page.items,
        "next": page.next.map(|cursor| cursor.to_string()),
        "newest": page.newest.map(format_time),
        "forgotten_until": page.forgotten_until.map(format_time),
    })))
}

/// `GET /api/v1/decisions/{id}`.
pub(super) async fn story(
    state: Data<ApiState>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let story = Id::parse(&id).and_then(|id| state.queries.decision(id));
    let story = story.ok_or_else(|| {
        let detail =
            "no decision of this id is in memory; GET /api/v1/decisions lists those that are";
        Problem::new(Kind::UnknownDecision, detail)
    })?;
    Ok(HttpResponse::Ok().json(story))
}

/// The query's parameters, each known and none twice.
pub(super) fn parameters(
    request: &HttpRequest,
    known: &[&str],
) -> Result<Vec<(String, String)>, Problem> {
    let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|error| Problem::new(Kind::BadParameter, error.to_string()))?
        .into_inner();
    for (index, (name, _)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            return Err(bad(name, "is not known", &known.join(", ")));
        }
        if pairs.iter().take(index).any(|(earlier, _)| earlier == name) {
            return Err(bad(name, "stands twice", "one of each"));
        }
    }
    Ok(pairs)
}

fn filter(parameters: &[(String, String)], now: Millis) -> Result<Filter, Problem> {
    let mut filter = Filter {
        limit: LIMIT,
        ..Filter::default()
    };
    let mut hours = HOURS;
    // What is open is listed whatever its age, unless an age is asked for.
    filter.open_of_any_age = true;
    for (name, value) in parameters {
        match name.as_str() {
            "id" => filter.id_prefix = Some(id_prefix(name, value)?),
            "event_type" => filter.event_type = Some(value.clone()),
            "target" => filter.target = Some(value.clone()),
            "action" => filter.action = Some(one_of(name, value, &Action::ALL, Action::name)?),
            "outcome" => filter.outcome = Some(one_of(name, value, &Outcome::ALL, Outcome::name)?),
            "hours" => {
                filter.open_of_any_age = false;
                hours = value
                    .parse()
                    .ok()
                    .filter(|hours| *hours > 0.0 && *hours <= HOURS_MAX)
                    .ok_or_else(|| bad(name, value, "a number above 0, at most 87600"))?;
            }
            "limit" => {
                filter.limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                    .ok_or_else(|| bad(name, value, "a whole number from 1 to 1000"))?;
            }
            "cursor" => {
                let cursor = Cursor::parse(value);
                filter.before =
                    Some(cursor.ok_or_else(|| bad(name, value, "the `next` of an earlier page"))?);
            }
            _ => {}
        }
    }
    #[allow(clippy::cast_possible_truncation, reason = "bounded by HOURS_MAX")]
    let back = (hours * 3_600_000.0) as Millis;
    filter.since = now.saturating_sub(back);
    Ok(filter)
}

/// Digits of an id that are enough to look for it.
const ID_DIGITS_MIN: usize = 4;

fn id_prefix(name: &str, value: &str) -> Result<String, Problem> {
    let digits = value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits || !(ID_DIGITS_MIN..=32).contains(&value.len()) {
        return Err(bad(name, value, "the first 4 to 32 hex digits of an id"));
    }
    Ok(value.to_ascii_lowercase())
}

fn one_of<T: Copy>(
    name: &str,
    value: &str,
    all: &[T],
    text: fn(T) -> &'static str,
) -> Result<T, Problem> {
    all.iter()
        .copied()
        .find(|item| text(*item) == value)
        .ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|item| text(*item)).collect();
            bad(name, value, &names.join(", "))
        })
}

/// At most this much of a bad value is repeated.
const ECHO_CHARS_MAX: usize = 100;

pub(super) fn bad(name: &str, value: &str, allowed: &str) -> Problem {
    let name: String = name.chars().take(ECHO_CHARS_MAX).collect();
    let value: String = value.chars().take(ECHO_CHARS_MAX).collect();
    Problem::new(
        Kind::BadParameter,
        format!("parameter `{name}`: {value}; allowed: {allowed}"),
    )
    .with("parameter", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Filter, String> {
        let request =
            actix_web::test::TestRequest::with_uri(&format!("/?{query}")).to_http_request();
        parameters(&request, &PARAMETERS)
            .and_then(|parameters| filter(&parameters, 100_000_000))
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
