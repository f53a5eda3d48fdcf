//! What was measured, as tables or as JSON.

use chrono::DateTime;
use homeostat_logic::recommend::RecommendSettings;
use homeostat_logic::recommend::evaluation::{Dataset, Figure, Lead, Method, Protocol};
use serde_json::json;

use super::super::text::line;
use super::Outcome;

pub(super) const fn method(method: Method) -> &'static str {
    match method {
        Method::Popularity => "popularity",
        Method::ItemKnn => "item-kNN",
        Method::Homeostat => "homeostat",
    }
}

pub(super) const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Prequential => "prequential",
        Protocol::LeaveLastOut => "leave last out",
        Protocol::Shuffled => "shuffled sessions",
        Protocol::Strict => "history before the second",
    }
}

fn day(millis: i64) -> String {
    let time = DateTime::from_timestamp_millis(millis);
    time.map_or_else(
        || "?".to_owned(),
        |time| time.format("%Y-%m-%d").to_string(),
    )
}

fn figure(figure: Figure) -> String {
    let no_sign = |number: f64| format!("{number:.3}").trim_start_matches('0').to_owned();
    format!(
        "{:.4} {}–{}",
        figure.mean,
        no_sign(figure.low),
        no_sign(figure.high)
    )
}

/// Tables for people.
pub(super) fn text(name: &str, data: &Dataset, done: &[Outcome], seed: u64) -> String {
    let mut text = String::new();
    let period = data.period().unwrap_or_default();
    line(
        &mut text,
        format_args!(
            "{name}: {} interactions of {} users with {} items, {} to {}",
            data.len(),
            data.users(),
            data.items(),
            day(period.0),
            day(period.1)
        ),
    );
    let kinds = data.kinds();
    if !kinds.is_empty() {
        let kinds: Vec<String> = kinds
            .iter()
            .take(20)
            .map(|(kind, many)| format!("{kind} {many}"))
            .collect();
        let kinds = super::super::text::printable(&kinds.join(", "));
        line(&mut text, format_args!("types: {kinds}"));
    }
    let mut before = None;
    for outcome in done.iter().filter(|outcome| outcome.settings.is_empty()) {
        if before != Some(outcome.protocol) {
            before = Some(outcome.protocol);
            let title = format!(
                "{} ({} scored)",
                protocol(outcome.protocol),
                outcome.measures.scored
            );
            line(&mut text, format_args!("\n{title:<34} {HEAD}"));
        }
        row(&mut text, &format!("  {}", method(outcome.method)), outcome);
    }
    before = None;
    for protocol in [Protocol::Prequential, Protocol::LeaveLastOut] {
        for outcome in done {
            if outcome.settings.is_empty() || outcome.protocol != protocol {
                continue;
            }
            if before != Some(protocol) {
                before = Some(protocol);
                let title = format!("sweep, {}", self::protocol(protocol));
                line(&mut text, format_args!("\n{title:<34} {HEAD}"));
            }
            let names: Vec<String> = outcome
                .settings
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            row(&mut text, &format!("  {}", names.join(" ")), outcome);
        }
    }
    line(&mut text, "");
    for judged in verdicts(done, seed) {
        line(&mut text, judged.sentence());
    }
    text
}

const HEAD: &str = "HR@10  95 %         NDCG@10 95 %        MRR@10  coverage  µs/event";

fn row(text: &mut String, name: &str, outcome: &Outcome) {
    let measures = &outcome.measures;
    line(
        text,
        format_args!(
            "{name:<34} {:<19} {:<19} {:.4}  {:>7.1}%  {:>8.1}",
            figure(measures.hit_rate),
            figure(measures.ndcg),
            measures.reciprocal_rank.mean,
            measures.coverage * 100.0,
            outcome.microseconds_per_event
        ),
    );
}

/// Ours beside popularity, in one protocol.
struct Verdict {
    protocol: Protocol,
    ours: f64,
    popularity: f64,
    lead: Lead,
}

impl Verdict {
    /// By more than chance.
    fn is_below(&self) -> bool {
        self.lead.ndcg.high < 0.0 || self.lead.hit_rate.high < 0.0
    }

    fn sentence(&self) -> String {
        let name = protocol(self.protocol);
        let (ours, popularity) = (self.ours, self.popularity);
        let Figure { mean, low, high } = self.lead.ndcg;
        let difference = format!("{mean:+.4} ({low:+.4} to {high:+.4})");
        if self.is_below() {
            format!(
                "WORSE THAN POPULARITY, {name}: NDCG@10 differs by {difference}. Histories say little on this data: try --sweep prior=100,1000,10000 and --sweep trend_weight=0.05,0.5,2"
            )
        } else if low <= 0.0 {
            format!("{name}: as good as popularity, NDCG@10 differs by {difference}")
        } else if popularity > 0.0 {
            let times = ours / popularity;
            format!("{name}: NDCG@10 is {times:.2} times that of popularity, {difference}")
        } else {
            format!("{name}: NDCG@10 {ours:.4}; popularity has none")
        }
    }
}

fn verdicts(done: &[Outcome], seed: u64) -> Vec<Verdict> {
    let of = |protocol, method| {
        done.iter()
            .find(|one| one.settings.is_empty() && one.protocol == protocol && one.method == method)
            .map(|outcome| &outcome.measures)
    };
    Protocol::ALL
        .into_iter()
        .filter_map(|protocol| {
            let ours = of(protocol, Method::Homeostat)?;
            let popularity = of(protocol, Method::Popularity)?;
            (ours.scored > 0).then(|| Verdict {
                protocol,
                ours: ours.ndcg.mean,
                popularity: popularity.ndcg.mean,
                lead: ours.lead(popularity, seed),
            })
        })
        .collect()
}

/// One document for programs.
pub(super) fn json(
    name: &str,
    data: &Dataset,
    settings: &RecommendSettings,
    seed: u64,
    done: &[Outcome],
) -> String {
    let (from, to) = data.period().unwrap_or_default();
    let verdicts = verdicts(done, seed);
    let below: Vec<Protocol> = verdicts
        .iter()
        .filter(|verdict| verdict.is_below())
        .map(|verdict| verdict.protocol)
        .collect();
    let leads: Vec<_> = verdicts
        .iter()
        .map(|verdict| json!({"protocol": verdict.protocol, "lead": verdict.lead}))
        .collect();
    let document = json!({
        "file": name,
        "interactions": data.len(),
        "users": data.users(),
        "items": data.items(),
        "from_ms": from,
        "to_ms": to,
        "seed": seed,
        "settings": settings,
        "results": done,
        "lead_over_popularity": leads,
        "worse_than_popularity": below,
    });
    format!("{document:#}\n")
}
