//! Lines of files and of standard input, bounded, with their places, read as events.

use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read, stdin};
use std::path::Path;

use homeostat_logic::enrich::{EVENT_BYTES_MAX, Stamp, enrich_for};
use homeostat_logic::topic::Topic;
use uuid::Uuid;

use crate::addressed_event;

/// Longest line: the largest event with its topic and key. The rest of a longer one is skipped.
const LINE_BYTES_MAX: usize = EVENT_BYTES_MAX + 16_384;

/// How lines are read.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    /// Of every event; without it each line is {topic, key, value}.
    pub(super) topic: Option<&'static Topic>,
    /// Of every event.
    pub(super) key: Option<&'a str>,
}

/// An event to be sent.
pub(super) struct Event {
    pub(super) topic: String,
    pub(super) key: Option<String>,
    /// Number of its line, counted from 1.
    pub(super) line: u64,
    pub(super) text: String,
}

impl Event {
    /// Its size in a request, at most: a key may have to be escaped.
    pub(super) fn bytes(&self) -> usize {
        const FRAME: usize = 64;
        let key = self.key.as_ref().map_or(0, String::len);
        self.text.len() + self.topic.len() + 6 * key + FRAME
    }
}

/// A line and where it was read.
pub(super) struct Line {
    file: String,
    number: u64,
    bytes: Vec<u8>,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{number}: {problem}")]
pub(super) struct LineFault {
    pub(super) file: String,
    number: u64,
    problem: String,
    /// It is an object that names neither a topic nor a value: an event alone, perhaps.
    pub(super) is_bare: bool,
}

impl Line {
    /// Counted from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The line's event; nothing if it is blank.
    pub(super) fn read(&self, form: Form<'_>) -> Result<Option<Event>, LineFault> {
        if self.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        self.event(form).map(Some).map_err(|problem| LineFault {
            file: self.file.clone(),
            number: self.number,
            problem,
            is_bare: form.topic.is_none() && self.is_bare(),
        })
    }

    fn is_bare(&self) -> bool {
        let fields = serde_json::from_slice::<serde_json::Map<_, _>>(&self.bytes);
        fields.is_ok_and(|fields| !fields.contains_key("topic") && !fields.contains_key("value"))
    }

    fn event(&self, form: Form<'_>) -> Result<Event, String> {
        if self.bytes.len() > LINE_BYTES_MAX {
            return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
        }
        let Some(topic) = form.topic else {
            let line = addressed_event::read(&self.bytes).map_err(|error| error.to_string())?;
            return self.enriched(line.topic, line.key, line.value.as_bytes());
        };
        let key = form.key.filter(|key| !key.is_empty());
        self.enriched(topic, key.map(str::to_owned), self.bytes.trim_ascii())
    }

    fn enriched(&self, topic: &Topic, key: Option<String>, value: &[u8]) -> Result<Event, String> {
        let stamp = Stamp {
            event_id: &Uuid::new_v4().to_string(),
            time: chrono::Utc::now().timestamp_millis(),
        };
        let enriched = enrich_for(topic, value, stamp).map_err(|error| error.to_string())?;
        Ok(Event {
            topic: topic.name.to_owned(),
            key: key.or(enriched.key),
            line: self.number,
            text: enriched.text,
        })
    }
}

/// A file or standard input, line by line.
pub(super) struct Input {
    name: String,
    number: u64,
    repeatable: bool,
    reader: BufReader<Box<dyn Read + Send>>,
}

impl Input {
    /// Opens a file; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        if path == Path::new("-") {
            return Ok(Self::new(
                "standard input".to_owned(),
                false,
                Box::new(stdin()),
            ));
        }
        let name = path.display().to_string();
        let file =
            File::open(path).map_err(|error| format!("{name}: cannot be opened: {error}"))?;
        if path.is_dir() {
            return Err(format!("{name}: is a folder; name the files in it"));
        }
        let regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        Ok(Self::new(name, regular, Box::new(file)))
    }

    fn new(name: String, repeatable: bool, source: Box<dyn Read + Send>) -> Self {
        let reader = BufReader::with_capacity(1 << 16, source);
        Self {
            name,
            number: 0,
            repeatable,
            reader,
        }
    }

    /// What is wrong where it ends before the line to begin with; one behind its last is where a publication goes on that
    /// had sent them all.
    pub(super) fn ends_before(&self, first: u64) -> Option<String> {
        let lines = self.number;
        (lines.saturating_add(1) < first).then(|| {
            format!(
                "{}: ends at line {lines}, before the line {first} that --from-line names",
                self.name
            )
        })
    }

    /// Whether it may be opened and read again.
    pub(super) const fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// Whether the next line can be had without waiting for its writer.
    pub(super) fn has_more_ready(&self) -> bool {
        self.repeatable || self.reader.buffer().contains(&b'\n')
    }

    /// The next line. Of one that is too long only as much as shows that.
    pub(super) fn next_line(&mut self) -> Result<Option<Line>, String> {
        if self.number == 0 && self.name == "standard input" && stdin().is_terminal() {
            super::complain("reading events from the keyboard, one per line; end with Ctrl-D");
        }
        let failed = |error| format!("{}: cannot be read: {error}", self.name);
        let mut bytes = Vec::new();
        let most = LINE_BYTES_MAX as u64 + 1;
        let read = self
            .reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut bytes)
            .map_err(failed)?;
        if read == 0 {
            return Ok(None);
        }
        if bytes.len() > LINE_BYTES_MAX && bytes.last() != Some(&b'\n') {
            self.reader.skip_until(b'\n').map_err(failed)?;
        }
        self.number += 1;
        Ok(Some(Line {
            file: self.name.clone(),
            number: self.number,
            bytes,
        }))
    }
}
