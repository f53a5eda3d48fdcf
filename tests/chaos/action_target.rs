//! The service that carries actions out: writes each request to disk before it answers, and answers as badly as it is told.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::target::{Reply, Target};

/// Actions that are carried out here, with what an attempt in doubt means for them.
const ACTIONS: [(&str, &str); 3] = [
    ("retrain", "idempotent"),
    ("rollback", "at_most_once"),
    ("scale_up", "idempotent"),
];

/// The target and its file.
pub(crate) struct ActionTarget {
    target: Target,
    folder: tempfile::TempDir,
    bad: Arc<AtomicBool>,
}

impl ActionTarget {
    pub(crate) fn start(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Mutex::new(File::create(folder.path().join("requests")).unwrap());
        let bad = Arc::new(AtomicBool::new(false));
        let (mood, chance) = (Arc::clone(&bad), Mutex::new(fastrand::Rng::with_seed(seed)));
        let target = Target::start(move |request, _| {
            let (action, attempt) = request.attempt();
            let mut file = file.lock().unwrap();
            writeln!(file, "{action} {attempt}").unwrap();
            file.sync_data().unwrap();
            drop(file);
            if !mood.load(Ordering::SeqCst) {
                return Reply::Say("200 OK");
            }
            match chance.lock().unwrap().usize(..10) {
                0..2 => Reply::Say("503 Service Unavailable"),
                2..4 => Reply::Say("429 Too Many Requests\r\nretry-after: 1"),
                4 => Reply::Hang,
                5 => Reply::Close,
                _ => Reply::Say("200 OK"),
            }
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

    /// Requests by action and attempt, read back from the disk.
    pub(crate) fn requests(&self) -> BTreeMap<String, BTreeMap<u32, usize>> {
        let text = std::fs::read_to_string(self.folder.path().join("requests")).unwrap();
        let mut requests = BTreeMap::<String, BTreeMap<u32, usize>>::new();
        for line in text.lines() {
            let (action, attempt) = line.split_once(' ').unwrap();
            let attempts = requests.entry(action.to_owned()).or_default();
            *attempts.entry(attempt.parse().unwrap()).or_default() += 1;
        }
        requests
    }

    /// The configuration that has actions carried out here.
    pub(crate) fn overlay(&self) -> String {
        let port = self.target.port;
        ACTIONS.map(|(action, policy)| format!(
            "[actions.{action}]\nconnector = \"webhook\"\npolicy = \"{policy}\"\nmax_attempts = 10\n\
             backoff.first_ms = 50\nbackoff.max_ms = 500\n\
             [webhook.{action}]\nurl = \"http://127.0.0.1:{port}/{action}/{{{{ target.name }}}}\"\ntimeout_ms = 1000\n"
        ))
        .concat()
    }
}
