//! `homeostat publish`: lines into topics, in order, each one acknowledged.
//!
//! Events are enriched here, so that a repeated try carries the same `event_id`. Files are read twice: nothing is sent
//! before every line is found good. What cannot be read twice (standard input, a pipe) is sent as it comes, and bad
//! lines are told at the end.

mod batch;
mod destination;
mod lines;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use homeostat_logic::topic;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, Wiring, complain, print};
use batch::{Batch, Batches};
use destination::Destination;
use lines::{Input, Line, LineFault};

const EXAMPLES: &str = "\
Examples:
  homeostat publish --file events.jsonl
  homeostat publish data.drift.detected --key employment_ma drifts.jsonl
  tail -f events.jsonl | homeostat publish --url http://127.0.0.1:8480
  homeostat publish --file events.jsonl --bootstrap-servers localhost:9092

Without TOPIC each line is {\"topic\": …, \"key\": … or null, \"value\": {the event}}; with TOPIC each
line is an event. An event gets an event_id, a timestamp and a source where it has none. Files are
checked as a whole first: with a bad line nothing is sent.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Topic of every event; without it each line names its own.
    topic: Option<String>,
    /// Files to read, `-` for standard input, which is also read when there is none.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Another file to read; may be repeated.
    #[arg(long = "file", value_name = "FILE")]
    more_files: Vec<PathBuf>,
    /// Key of every event.
    #[arg(long, requires = "topic")]
    key: Option<String>,
    /// A running service.
    #[arg(long, env = "HOMEOSTAT_URL", default_value = "http://127.0.0.1:8470")]
    url: String,
    /// Straight to an Apache Kafka instead.
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap_servers: Option<String>,
}

impl Arguments {
    /// Topic of every event, and the files: `publish -` means standard input, not a topic of that name.
    fn sources(&self) -> (Option<&str>, Vec<&Path>) {
        let dash = self
            .topic
            .as_deref()
            .filter(|topic| *topic == "-")
            .map(Path::new);
        let topic = self.topic.as_deref().filter(|_| dash.is_none());
        let files = self
            .files
            .iter()
            .chain(&self.more_files)
            .map(PathBuf::as_path);
        let mut files: Vec<&Path> = dash.into_iter().chain(files).collect();
        if files.is_empty() {
            files.push(Path::new("-"));
        }
        (topic, files)
    }
}

/// Bad lines told one by one; more are counted.
const FAULTS_SHOWN: usize = 20;

pub(super) async fn publish(arguments: &Arguments, wiring: &dyn Wiring) -> Result<(), Failure> {
    let (topic, files) = arguments.sources();
    if let Some(topic) = topic {
        topic::publishable(topic).map_err(|error| Failure::Usage(format!("{topic}: {error}")))?;
    }
    let form = lines::Form {
        topic,
        key: arguments.key.as_deref(),
    };
    let expected = validate(&files, form)?;
    let destination = match &arguments.bootstrap_servers {
        Some(servers) => Destination::Log(wiring.open_kafka(servers)?),
        None => Destination::service(&arguments.url)?,
    };
    let mut publication = Publication {
        destination: &destination,
        report: Report::default(),
        progress: progress(expected),
    };
    for file in files {
        if publication.report.stopped.is_none() {
            publication.send_file(file, form).await?;
        }
    }
    publication.progress.finish_and_clear();
    destination.close();
    publication.report.tell()
}

/// Checks every line of what can be read twice. The number of events, unless something cannot be.
fn validate(files: &[&Path], form: lines::Form<'_>) -> Result<Option<u64>, Failure> {
    let (mut events, mut complete) = (0, true);
    let mut faults = Vec::new();
    for file in files {
        let mut input = Input::open(file).map_err(Failure::Failed)?;
        if !input.is_repeatable() {
            complete = false;
            continue;
        }
        while let Some(line) = input.next_line().map_err(Failure::Failed)? {
            match line.read(form) {
                Ok(Some(_)) => events += 1,
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
    }
    if faults.is_empty() {
        return Ok(complete.then_some(events));
    }
    faults
        .iter()
        .take(FAULTS_SHOWN)
        .for_each(|fault| complain(&fault.to_string()));
    Err(Failure::Failed(format!(
        "{} bad lines, nothing was published",
        faults.len()
    )))
}

/// On standard error, and only when that is a terminal.
fn progress(expected: Option<u64>) -> ProgressBar {
    let (bar, template) = match expected {
        Some(events) => (
            ProgressBar::new(events),
            "{bar:40} {pos}/{len} events, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {pos} events"),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Sending under way.
struct Publication<'a> {
    destination: &'a Destination,
    report: Report,
    progress: ProgressBar,
}

impl Publication<'_> {
    async fn send_file(&mut self, file: &Path, form: lines::Form<'_>) -> Result<(), Failure> {
        let mut input = Input::open(file).map_err(Failure::Failed)?;
        let mut batches = Batches::default();
        while let Some(line) = input.next_line().map_err(Failure::Failed)? {
            self.take(&line, form, &mut batches).await;
            // A live producer (`tail -f`) pauses here: what it wrote so far must not wait for what comes.
            if !input.has_more_ready() {
                self.send(batches.flush()).await;
            }
            if self.report.stopped.is_some() {
                return Ok(());
            }
        }
        self.send(batches.flush()).await;
        Ok(())
    }

    async fn take(&mut self, line: &Line, form: lines::Form<'_>, batches: &mut Batches) {
        match line.read(form) {
            Ok(Some(event)) => {
                let full = batches.push(event);
                self.send(full).await;
            }
            Ok(None) => {}
            Err(fault) => self.report.bad_line(&fault),
        }
    }

    async fn send(&mut self, batch: Option<Batch>) {
        let Some(batch) = batch.filter(|_| self.report.stopped.is_none()) else {
            return;
        };
        let (topic, place, events) = (batch.topic.clone(), batch.place.clone(), batch.events.len());
        let delivered = self.destination.deliver(batch).await;
        let acknowledged = events - delivered.unacknowledged.min(events);
        if acknowledged > 0 {
            self.report.topics.insert(topic);
        }
        self.report.published += acknowledged;
        self.report.unacknowledged += delivered.unacknowledged;
        self.progress.inc(acknowledged as u64);
        match delivered.fault {
            Some(destination::Fault::Refused(problem)) => {
                self.progress.suspend(|| complain(&problem));
            }
            Some(destination::Fault::Unreachable(problem)) => {
                self.report.stopped = Some(format!(
                    "{problem}\nstopped; publish again what stands from {place} on"
                ));
            }
            None => {}
        }
    }
}

/// What came of it all.
#[derive(Default)]
struct Report {
    published: usize,
    unacknowledged: usize,
    bad_lines: usize,
    topics: BTreeSet<String>,
    stopped: Option<String>,
}

impl Report {
    fn bad_line(&mut self, fault: &LineFault) {
        self.bad_lines += 1;
        if self.bad_lines <= FAULTS_SHOWN {
            complain(&fault.to_string());
        }
    }

    fn tell(self) -> Result<(), Failure> {
        let topics = self.topics.len();
        let noun = |count: usize, noun: &str| {
            format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
        };
        print(&format!(
            "{} published to {}\n",
            noun(self.published, "event"),
            noun(topics, "topic")
        ))?;
        let mut faults = Vec::new();
        faults.extend(self.stopped);
        if self.unacknowledged > 0 {
            faults.push(format!(
                "{} not acknowledged",
                noun(self.unacknowledged, "event")
            ));
        }
        if self.bad_lines > 0 {
            faults.push(format!("{} left out", noun(self.bad_lines, "bad line")));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Failure::Failed(faults.join("\n")))
        }
    }
}
