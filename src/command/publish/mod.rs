//! `homeostat publish`: lines into topics, in order, each one acknowledged.
//!
//! Events are enriched here, so that a repeated try carries the same `event_id`. Files are read twice: nothing is sent
//! before every line is found good. What cannot be read twice (standard input, a pipe) is sent as it comes, and bad
//! lines are printed at the end. Whatever stops it, the report ends with the command that goes on.

mod batch;
mod destination;
mod interrupt;
mod lines;
mod reader;
mod resume;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use homeostat_logic::topic;
use indicatif::{ProgressBar, ProgressStyle};

use super::text::{count, quoted};
use super::{Failure, Wiring, complain, print};
use crate::addressed_event::KEY_CHARS_MAX;
use crate::configuration::nearest;
use batch::Batch;
use destination::Destination;
use interrupt::Interrupt;
use lines::{Form, Input, LineFault};
use reader::{Read, Reader};

const EXAMPLES: &str = "\
Examples:
  homeostat publish --file events.jsonl
  homeostat publish data.drift.detected --key employment_ma drifts.jsonl
  tail -f events.jsonl | homeostat publish --url http://127.0.0.1:8480
  homeostat publish --file events.jsonl --bootstrap-servers localhost:9092
  homeostat publish --file events.jsonl --from-line 5001

Without TOPIC each line is {\"topic\": …, \"key\": … or null, \"value\": {the event}}; with TOPIC each
line is an event. An event gets an event_id, a timestamp and a source where it has none. Files are
checked as a whole first: with a bad line nothing is sent. Ctrl-C, or a service that does not answer,
ends with the command that resumes where this one stopped.";

/// Where a service is looked for by default.
const URL: &str = "http://127.0.0.1:8470";

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
    #[arg(long, env = "HOMEOSTAT_URL", default_value = URL)]
    url: String,
    /// Pass over the lines before this one of the first file; they are neither checked nor sent.
    #[arg(long, value_name = "N", default_value = "1", value_parser = count, allow_negative_numbers = true)]
    from_line: NonZeroUsize,
    /// Straight to an Apache Kafka instead; TLS and login by `[kafka.tls]` and `[kafka.sasl]` of --config.
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

/// Bad lines printed one by one; more are counted.
const FAULTS_SHOWN: usize = 20;

pub(super) async fn publish(
    arguments: &Arguments,
    wiring: &dyn Wiring,
    configuration: &[PathBuf],
) -> Result<(), Failure> {
    let (topic, files) = arguments.sources();
    let form = Form {
        topic: topic.map(find_topic).transpose()?,
        key: arguments.key.as_deref(),
    };
    if form
        .key
        .is_some_and(|key| key.chars().count() > KEY_CHARS_MAX)
    {
        let problem = format!("--key: at most {KEY_CHARS_MAX} characters are allowed");
        return Err(Failure::Usage(problem));
    }
    let from_line = arguments.from_line.get() as u64;
    let mut interrupt = Interrupt::listen()?;
    let expected = validate(&files, form, from_line, &mut interrupt).await?;
    let destination = match &arguments.bootstrap_servers {
        Some(servers) => Destination::Log(wiring.open_kafka(configuration, servers)?),
        None => Destination::service(&arguments.url)?,
    };
    let mut publication = Publication {
        destination: &destination,
        interrupt,
        report: Report::default(),
        progress: progress(expected),
    };
    for (index, file) in files.iter().enumerate() {
        let first = first_line(index, from_line);
        if let Some(line) = publication.send_file(file, form, first).await? {
            let rest = files.get(index..).unwrap_or_default();
            publication.report.go_on = Some(resume::command(arguments, topic, rest, line));
            break;
        }
    }
    publication.progress.finish_and_clear();
    destination.close();
    publication.report.print()
}

/// The topic of that name. A file's name in its place is a slip that is easily made.
fn find_topic(name: &str) -> Result<&'static topic::Topic, Failure> {
    topic::publishable(name).map_err(|error| {
        let shown = quoted(name);
        let names = topic::TOPICS.map(|topic| topic.name);
        let hint = if Path::new(name).is_file() {
            format!(
                "\n{name} is a file: `homeostat publish --file {shown}` publishes its lines of {{topic, key, value}}, `homeostat publish TOPIC --file {shown}` its events to one topic"
            )
        } else {
            let meant = nearest(&name.to_ascii_lowercase(), &names);
            meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
        };
        Failure::Usage(format!("{shown}: {error}{hint}"))
    })
}

const fn first_line(file: usize, from_line: u64) -> u64 {
    if file == 0 { from_line } else { 1 }
}

/// Checks every line of what can be read twice. The number of events, unless something cannot be.
async fn validate(
    files: &[&Path],
    form: Form<'_>,
    from_line: u64,
    interrupt: &mut Interrupt,
) -> Result<Option<u64>, Failure> {
    let (mut events, mut complete) = (0, true);
    let mut faults = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let input = Input::open(file).map_err(Failure::Failed)?;
        if !input.is_repeatable() {
            complete = false;
            continue;
        }
        let mut reader = Reader::start(input, first_line(index, from_line))?;
        while let Some(read) = reader.next().await? {
            if interrupt.is_set() {
                let problem = "interrupted while the files were checked; nothing was published";
                return Err(Failure::Failed(problem.to_owned()));
            }
            let Read::Line(line) = read else { continue };
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
    let bare = faults.iter().find(|fault| fault.is_bare);
    let hint = bare.map_or_else(String::new, |fault| {
        format!(
            "; lines that are events alone need their topic: `homeostat publish TOPIC --file {}`",
            quoted(&fault.file)
        )
    });
    Err(Failure::Failed(format!(
        "{}, nothing was published{hint}",
        counted(faults.len(), "bad line")
    )))
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
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
    interrupt: Interrupt,
    report: Report,
    progress: ProgressBar,
}

impl Publication<'_> {
    /// Sends a file from a line on. The line to go on from, if it was stopped.
    async fn send_file(
        &mut self,
        file: &Path,
        form: Form<'_>,
        first: u64,
    ) -> Result<Option<u64>, Failure> {
        let name = file.display().to_string();
        let input = Input::open(file).map_err(Failure::Failed)?;
        let mut reader = Reader::start(input, first)?;
        let mut batch = Batch::default();
        let mut next_line = first;
        loop {
            let read = tokio::select! {
                biased;
                () = self.interrupt.wait() => return Ok(Some(self.interrupted(&batch, next_line))),
                read = reader.next() => read?,
            };
            let full = match read {
                Some(Read::Line(line)) => {
                    next_line = line.number() + 1;
                    match line.read(form) {
                        Ok(Some(event)) => batch.push(event),
                        Ok(None) => None,
                        Err(fault) => {
                            self.report.bad_line(&fault);
                            None
                        }
                    }
                }
                // What was written so far must not wait for what comes.
                Some(Read::Pause) => batch.flush(),
                None => {
                    let last = batch.flush();
                    return Ok(self.send(last, &name).await);
                }
            };
            if let Some(line) = self.send(full, &name).await {
                return Ok(Some(line));
            }
        }
    }

    fn interrupted(&mut self, batch: &Batch, next_line: u64) -> u64 {
        self.report.stopped = Some("interrupted".to_owned());
        batch.events.first().map_or(next_line, |event| event.line)
    }

    /// The line to go on from, if not everything got through.
    async fn send(&mut self, batch: Option<Batch>, file: &str) -> Option<u64> {
        let delivered = self.destination.deliver(batch?, &mut self.interrupt).await;
        for (topic, count) in delivered.acknowledged {
            self.report.topics.insert(topic);
            self.report.published += count;
            self.progress.inc(count as u64);
        }
        for (event, problem) in delivered.refused {
            self.report.refused += 1;
            if self.report.refused <= FAULTS_SHOWN {
                let line = event.line;
                self.progress
                    .suspend(|| complain(&format!("{file}:{line}: {problem}")));
            }
        }
        let first = delivered.left.first()?;
        self.report.unacknowledged += delivered.left.len();
        self.report.beyond = delivered.beyond;
        self.report.stopped = delivered.problem;
        Some(first.line)
    }
}

/// What came of it all.
#[derive(Default)]
struct Report {
    published: usize,
    /// Sent, and not known to be durable.
    unacknowledged: usize,
    refused: usize,
    bad_lines: usize,
    /// Acknowledged behind the line to go on from.
    beyond: usize,
    topics: BTreeSet<String>,
    stopped: Option<String>,
    go_on: Option<String>,
}

impl Report {
    fn bad_line(&mut self, fault: &LineFault) {
        self.bad_lines += 1;
        if self.bad_lines <= FAULTS_SHOWN {
            complain(&fault.to_string());
        }
    }

    fn print(self) -> Result<(), Failure> {
        print(&format!(
            "{} published to {}\n",
            counted(self.published, "event"),
            counted(self.topics.len(), "topic")
        ))?;
        let mut faults = Vec::new();
        faults.extend(self.stopped);
        for (count, noun, what) in [
            (self.unacknowledged, "event", "not acknowledged"),
            (self.refused, "event", "refused, also when sent again"),
            (self.bad_lines, "bad line", "left out"),
        ] {
            if count > 0 {
                faults.push(format!("{} {what}", counted(count, noun)));
            }
        }
        if let Some(command) = self.go_on {
            if self.beyond > 0 {
                let beyond = counted(self.beyond, "event");
                faults.push(format!(
                    "{beyond} acknowledged after the first of these; the next command sends them again"
                ));
            }
            faults.push(command);
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Failure::Failed(faults.join("\n")))
        }
    }
}
