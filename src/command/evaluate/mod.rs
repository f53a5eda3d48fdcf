//! `homeostat evaluate FILE`: how good recommendations would have been on interactions of the past.

mod columns;
mod json_rows;
mod report;
mod sink;
mod sweep;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use homeostat_logic::recommend::RecommendSettings;
use homeostat_logic::recommend::evaluation::{Dataset, Measures, Method, Protocol, evaluate};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Failure, complain, print};
use columns::Wanted;
use sweep::Change;

const EXAMPLES: &str = "\
Examples:
  homeostat evaluate interactions.csv
  homeostat evaluate events.jsonl --user user_id --item item_ids --time timestamp --type interaction_type
  homeostat evaluate ratings.parquet --item movie_id --sweep trend_weight=0,0.05,0.2
  homeostat evaluate clicks.csv --protocol prequential --recommend-seen --json

The file is CSV with a header, JSON Lines, or Parquet, whichever it turns out to be. Without options,
columns are found by their usual names. Every row counts 1, unless --type or --weight say otherwise.
docs/recommendations.md explains the measures and names the settings.
Exit codes: 0 done, 1 the file cannot be read or gives nothing to measure, 2 usage.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(super) struct Arguments {
    /// Interactions, one or several items of one user in each row.
    file: PathBuf,
    /// Column with the user's id.
    #[arg(long, value_name = "COLUMN")]
    user: Option<String>,
    /// Column with the item's id, in JSON Lines and Parquet also a list of them.
    #[arg(long, value_name = "COLUMN")]
    item: Option<String>,
    /// Column with the time: RFC 3339, a date, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970.
    #[arg(long, value_name = "COLUMN", conflicts_with = "in_order")]
    time: Option<String>,
    /// There are no times: the rows are in order, one second apart.
    #[arg(long)]
    in_order: bool,
    /// Column with the type of interaction, which gives the weight.
    #[arg(long, value_name = "COLUMN")]
    r#type: Option<String>,
    /// Column with the weight; below zero the user does not want the item.
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// Measure only this way; may be repeated [default: all].
    #[arg(long, value_enum, value_name = "WAY")]
    protocol: Vec<Way>,
    /// Set a number of the recommender; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = sweep::change)]
    set: Vec<Change>,
    /// Measure each of these values of a setting, prequential and leave-last-out; of several, every combination.
    #[arg(long, value_name = "NAME=A,B,C", value_parser = sweep::change)]
    sweep: Vec<Change>,
    /// Recommend what a user has already, too, and score it.
    #[arg(long)]
    recommend_seen: bool,
    /// Leave out rows that cannot be read, instead of stopping.
    #[arg(long)]
    skip_unreadable: bool,
    /// Seed of shuffling and intervals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
}

/// A way to measure, as an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Before each event of a user with a past, in order of time.
    Prequential,
    /// The last event of each user.
    LeaveLastOut,
    /// Prequential, the order within sessions at random.
    Shuffled,
    /// Prequential, with history before the same second only.
    Strict,
}

impl Way {
    const fn protocol(self) -> Protocol {
        match self {
            Self::Prequential => Protocol::Prequential,
            Self::LeaveLastOut => Protocol::LeaveLastOut,
            Self::Shuffled => Protocol::Shuffled,
            Self::Strict => Protocol::Strict,
        }
    }
}

/// A method that was measured.
#[derive(Debug, Serialize)]
struct Outcome {
    protocol: Protocol,
    method: Method,
    /// Settings of a sweep, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<(String, f64)>,
    #[serde(flatten)]
    measures: Measures,
    microseconds_per_event: f64,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut base = RecommendSettings {
        recommend_seen: arguments.recommend_seen,
        ..RecommendSettings::default()
    };
    for (place, change) in arguments.set.iter().enumerate() {
        let twice = arguments
            .set
            .iter()
            .take(place)
            .any(|one| one.name == change.name);
        match change.values.as_slice() {
            [value] if !twice => base = with(&base, &change.name, *value)?,
            _ => {
                return Err(Failure::Usage(format!(
                    "--set {} needs one value; --sweep takes several",
                    change.name
                )));
            }
        }
    }
    let combinations = sweep::combinations(&arguments.sweep, &base)?;
    let data = read(arguments)?;
    let ways: Vec<Protocol> = if arguments.protocol.is_empty() {
        Protocol::ALL.to_vec()
    } else {
        let all = Protocol::ALL.into_iter();
        all.filter(|one| arguments.protocol.iter().any(|way| way.protocol() == *one))
            .collect()
    };
    let swept = if arguments.sweep.is_empty() {
        0
    } else {
        combinations.len()
    };
    let mut work = Work {
        data: &data,
        seed: arguments.seed,
        bar: progress((ways.len() * 3 + swept * 2) as u64, data.len() as u64),
        done: Vec::new(),
    };
    for protocol in ways {
        for method in [Method::Popularity, Method::ItemKnn, Method::Homeostat] {
            work.measure(method, protocol, &base, &[])?;
        }
    }
    for (names, settings) in combinations.iter().take(swept) {
        for protocol in [Protocol::Prequential, Protocol::LeaveLastOut] {
            work.measure(Method::Homeostat, protocol, settings, names)?;
        }
    }
    work.bar.finish_and_clear();
    if work.done.iter().all(|outcome| outcome.measures.scored == 0) {
        return Err(Failure::Failed(format!(
            "{}: no user has a second item, so there is nothing to recommend and check; with --recommend-seen, repeated items count too",
            arguments.file.display()
        )));
    }
    let name = arguments.file.display().to_string();
    if arguments.json {
        return print(&report::json(
            &name,
            &data,
            &base,
            arguments.seed,
            &work.done,
        ));
    }
    print(&report::text(&name, &data, &work.done, arguments.seed))
}

/// The settings with one number replaced.
fn with(base: &RecommendSettings, name: &str, value: f64) -> Result<RecommendSettings, Failure> {
    base.with(name, value)
        .map_err(|error| Failure::Usage(error.to_string()))
}

fn read(arguments: &Arguments) -> Result<Dataset, Failure> {
    let wanted = Wanted {
        names: [
            arguments.user.clone(),
            arguments.item.clone(),
            arguments.time.clone(),
            arguments.r#type.clone(),
            arguments.weight.clone(),
        ],
        in_order: arguments.in_order,
    };
    let read = table::read(&arguments.file, &wanted).map_err(Failure::Failed)?;
    let name = arguments.file.display();
    let faults = &read.faults;
    if faults.count > 0 {
        let rest = faults.count.saturating_sub(faults.shown.len() as u64);
        let more = if rest > 0 {
            format!("\nand {rest} more")
        } else {
            String::new()
        };
        let plural = if faults.count == 1 { "" } else { "s" };
        let found = format!(
            "{name}: {} row{plural} cannot be read:\n{}{more}",
            faults.count,
            super::text::printable(&faults.shown.join("\n"))
        );
        if !arguments.skip_unreadable {
            return Err(Failure::Failed(format!(
                "{found}\ncorrect them, or leave them out with --skip-unreadable"
            )));
        }
        complain(&format!("warning: left out: {found}"));
    }
    let data = read.data;
    if data.is_empty() {
        return Err(Failure::Failed(format!("{name} has no interactions")));
    }
    if data.users() < 2 {
        return Err(Failure::Failed(format!(
            "{name} has a single user; recommendations are learned from others, so at least two are needed"
        )));
    }
    Ok(data)
}

/// On standard error, and only when that is a terminal.
fn progress(runs: u64, events: u64) -> ProgressBar {
    let bar = ProgressBar::new(runs * events);
    let style = ProgressStyle::with_template("{bar:40} {percent} %, {eta} left  {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Measurements under way.
struct Work<'a> {
    data: &'a Dataset,
    seed: u64,
    bar: ProgressBar,
    done: Vec<Outcome>,
}

impl Work<'_> {
    fn measure(
        &mut self,
        method: Method,
        protocol: Protocol,
        settings: &RecommendSettings,
        names: &[(String, f64)],
    ) -> Result<(), Failure> {
        let start = self.bar.position();
        let what = format!("{}, {}", report::method(method), report::protocol(protocol));
        self.bar.set_message(what);
        let began = Instant::now();
        let bar = &self.bar;
        let measures = evaluate(
            self.data,
            method,
            protocol,
            settings,
            self.seed,
            &mut |events| {
                bar.set_position(start + events as u64);
            },
        );
        let measures = measures.map_err(|error| Failure::Usage(error.to_string()))?;
        let seconds = began.elapsed().as_secs_f64();
        self.done.push(Outcome {
            protocol,
            method,
            settings: names.to_vec(),
            measures,
            microseconds_per_event: (seconds * 1e7 / self.data.len() as f64).round() / 10.0,
        });
        Ok(())
    }
}
