//! The service that carries actions out: writes each request to disk before it answers, answers as badly as it is told, and
//! says what took effect when it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::target::{Reply, Request, Target};

/// Actions that are carried out here, with what an attempt in doubt means for them.
const ACTIONS: [(&str, &str); 3] = [
    ("retrain", "idempotent"),
    ("rollback", "at_most_once"),
    ("scale_up", "verify"),
];

/// The target and its file.
pub(crate) struct ActionTarget {
    target: Target,
    folder: tempfile::TempDir,
    bad: Arc<AtomicBool>,
}

/// What was asked of the target, read back from the disk.
#[derive(Default)]
pub(crate) struct Requests {
    /// Requests by action and attempt.
    pub(crate) sent: BTreeMap<String, BTreeMap<u32, usize>>,
    /// How many of them took effect, by action.
    pub(crate) effects: BTreeMap<String, usize>,
}

impl ActionTarget {
    pub(crate) fn start(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bad = Arc::new(AtomicBool::new(false));
        let works = Mutex::new(Works {
            file: File::create(folder.path().join("requests")).unwrap(),
            effects: BTreeSet::new(),
            chance: fastrand::Rng::with_seed(seed),
        });
        let mood = Arc::clone(&bad);
        let target = Target::start(move |request, _| {
            let bad = mood.load(Ordering::SeqCst);
            works.lock().unwrap().answer(request, bad)
        });
        Self {
            target,
            folder,
            bad,
        }
    }

    /// From now on it fails as often as not, or no longer.
    pub(crate) fn be_bad(&self, bad: bool) {
        self.bad.store(bad, Ordering::SeqCst);
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Requests {
        let text = std::fs::read_to_string(self.folder.path().join("requests")).unwrap();
        let mut requests = Requests::default();
        for line in text.lines() {
            let [action, attempt, effects] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("no request: {line}");
            };
            let sent = requests.sent.entry(action.to_owned()).or_default();
            *sent.entry(attempt.parse().unwrap()).or_default() += 1;
            let taken = requests.effects.entry(action.to_owned()).or_default();
            *taken += effects.parse::<usize>().unwrap();
        }
        requests
    }

    /// The configuration that has actions carried out here.
    pub(crate) fn overlay(&self) -> String {
        let url = format!("http://127.0.0.1:{}", self.target.port);
        let overlay = |(action, policy): (&str, &str)| {
            let probe = if policy == "verify" {
                "with.probe.path = \"/effects/{{ action_id }}\"\n".to_owned()
            } else {
                String::new()
            };
            format!(
                "[actions.{action}]\nconnection = \"target\"\npolicy = \"{policy}\"\nmax_attempts = 10\n\
                 backoff.first_ms = 50\nbackoff.max_ms = 500\n\
                 with.path = \"/{action}/{{{{ target.name }}}}\"\n{probe}"
            )
        };
        let connection = format!(
            "[connections.target]\nkind = \"webhook\"\nurl = \"{url}\"\ntimeout_ms = 1000\n"
        );
        connection + &ACTIONS.map(overlay).concat()
    }
}

/// The works behind the target.
struct Works {
    file: File,
    /// Actions that took effect.
    effects: BTreeSet<String>,
    chance: fastrand::Rng,
}

impl Works {
    fn answer(&mut self, request: &Request, bad: bool) -> Reply {
        if let Some(asked) = request.line.strip_prefix("GET /effects/") {
            return self.tell(asked, bad);
        }
        let (action, attempt) = request.attempt();
        let dice = if bad { self.chance.usize(..10) } else { 9 };
        // Whoever hears nothing cannot know: it may have taken effect.
        let takes_effect = match dice {
            0..4 => false,
            4..6 => self.chance.bool(),
            _ => true,
        };
        writeln!(self.file, "{action} {attempt} {}", u8::from(takes_effect)).unwrap();
        self.file.sync_data().unwrap();
        if takes_effect {
            self.effects.insert(action);
        }
        match dice {
            0..2 => Reply::Say("503 Service Unavailable"),
            2..4 => Reply::Say("429 Too Many Requests\r\nretry-after: 1"),
            4 => Reply::Hang,
            5 => Reply::Close,
            _ => Reply::Say("200 OK"),
        }
    }

    /// Whether an action took effect.
    fn tell(&mut self, asked: &str, bad: bool) -> Reply {
        let action = asked.split(' ').next().unwrap_or_default();
        match self.effects.contains(action) {
            _ if bad && self.chance.bool() => Reply::Say("503 Service Unavailable"),
            true => Reply::Say("200 OK"),
            false => Reply::Say("404 Not Found"),
        }
    }
}
