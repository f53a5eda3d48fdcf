//! The built binary as a running service: started, killed and started again on the same data.

use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::client::Client;
use super::{wait_for, wait_until};

/// How a service is started: its folder, its environment, its overlays.
#[derive(Clone)]
pub(crate) struct Launch {
    folder: Arc<tempfile::TempDir>,
    environment: Vec<(String, String)>,
    overlays: Vec<PathBuf>,
    /// The program that becomes the service, with its first arguments; none = the service itself.
    within: Vec<String>,
    /// Options of the command.
    options: Vec<String>,
    /// Where its standard error goes instead of into this process.
    errors_to: Option<PathBuf>,
}

impl Launch {
    /// In a folder of its own, on a free port, at work at any hour, and hours before its maintenance window.
    pub(crate) fn new() -> Self {
        let launch = Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            environment: Vec::new(),
            overlays: Vec::new(),
            within: Vec::new(),
            options: Vec::new(),
            errors_to: None,
        };
        let data = launch.folder().join("data").display().to_string();
        launch
            .with("DATA_DIR", &data)
            .with("HTTP__LISTEN", "127.0.0.1:0")
            .with("WORKING_HOURS__ENABLED", "false")
            .with("MAINTENANCE__START", &hour_in(6))
            .with("MAINTENANCE__END", &hour_in(9))
            .with("LOG_OUTPUT__FORMAT", "text")
            .with(
                "LOG_OUTPUT__LEVEL",
                "info,homeostat_actors::assignment=warn,homeostat_actors::supervision=warn",
            )
    }

    /// With a key of the configuration set; a later one wins.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        let name = format!("HOMEOSTAT__{key}");
        self.environment.retain(|(other, _)| *other != name);
        self.environment.push((name, value.to_owned()));
        self
    }

    /// With a variable of the environment that is no key of the configuration.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(other, _)| *other != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an option of the command.
    pub(crate) fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Started by another program, which gets the command of the service as its last arguments.
    pub(crate) fn within(mut self, program: &[&str]) -> Self {
        self.within = program.iter().map(|&part| part.to_owned()).collect();
        self
    }

    /// With standard error into this file; what it says is not heard then.
    pub(crate) fn errors_to(mut self, path: impl Into<PathBuf>) -> Self {
        self.errors_to = Some(path.into());
        self
    }

    /// With a configuration file.
    pub(crate) fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.overlays.push(path.into());
        self
    }

    /// With this text as a configuration file.
    pub(crate) fn overlay(self, text: &str) -> Self {
        let path = self
            .folder()
            .join(format!("overlay-{}.toml", self.overlays.len()));
        std::fs::write(&path, text).unwrap();
        self.file(path)
    }

    /// Where tests may put files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command, not yet running.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_homeostat");
        let mut command = match self.within.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HOMEOSTAT_") {
                command.env_remove(name);
            }
        }
        for overlay in &self.overlays {
            command.arg("--config").arg(overlay);
        }
        command
            .args(arguments)
            .envs(self.environment.iter().cloned())
            .current_dir(self.folder());
        command
    }

    /// Starts the service and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(&self) -> Service {
        let service = self.spawn();
        service.ready();
        service
    }

    /// Starts the service with these fail points armed, and waits only for its address.
    #[track_caller]
    pub(crate) fn armed(&self, points: &str) -> Service {
        let mut command = self.command(&["run"]);
        command.env("FAILPOINTS", points);
        self.spawned(command)
    }

    /// Starts the service and waits only for its address.
    #[track_caller]
    pub(crate) fn spawn(&self) -> Service {
        self.spawned(self.command(&["run"]))
    }

    #[track_caller]
    fn spawned(&self, mut command: Command) -> Service {
        let mut child = command
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.errors_to.as_ref().map_or_else(Stdio::piped, |path| {
                std::fs::OpenOptions::new()
                    .write(true)
                    .open(path)
                    .unwrap()
                    .into()
            }))
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let errors = child
            .stderr
            .take()
            .map(|errors| listen(errors, Arc::clone(&said)));
        let printed = Arc::new(Mutex::new(String::new()));
        listen(child.stdout.take().unwrap(), Arc::clone(&printed));
        let url = wait_for("the service prints its address, or ends", || {
            let ended = child.try_wait().unwrap();
            let text = printed.lock().unwrap();
            let address = text
                .lines()
                .find_map(|line| line.strip_prefix("homeostat listens on "))
                .and_then(|address| address.split_whitespace().next());
            assert!(
                address.is_some() || ended.is_none(),
                "the service ended at once: {ended:?}\n{}",
                said.lock().unwrap()
            );
            address.map(str::to_owned)
        });
        let client = Client::new(&url);
        Service {
            child,
            url,
            client,
            said,
            errors,
        }
    }
}

/// The full hour of the day so many hours from now, in UTC.
fn hour_in(hours: u64) -> String {
    format!("{:02}:00", hour(hours))
}

/// The hour in UTC so many hours from now.
pub(crate) fn hour(hours: u64) -> u64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 3600;
    (now + hours) % 24
}

/// Collects what a process writes.
fn listen(stream: impl std::io::Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            into.lock().unwrap().push_str(&std::mem::take(&mut line));
        }
        // What is no text: read on, or the process would hang on a full pipe.
        stream.read_to_end(&mut Vec::new()).ok();
    })
}

/// A running service; killed when dropped. Derefs to the client of its API.
pub(crate) struct Service {
    child: Child,
    pub(crate) url: String,
    client: Client,
    said: Arc<Mutex<String>>,
    errors: Option<JoinHandle<()>>,
}

impl Deref for Service {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Service {
    /// What it has logged so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn ready(&self) {
        wait_until("the service is ready", || {
            self.client
                .try_get("/readyz")
                .is_some_and(|answer| answer.status == 200)
        });
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.unwrap().success());
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; how it ended, and everything it logged.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let status = wait_for("the service ends", || self.child.try_wait().unwrap());
        if let Some(errors) = self.errors.take() {
            errors.join().unwrap();
        }
        (status, self.said())
    }

    /// Ends it by SIGTERM and expects a clean end.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let (status, said) = self.ended();
        assert_eq!(status.code(), Some(0), "{said}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.said();
            let from = said.len().saturating_sub(20_000);
            eprintln!(
                "--- log of {} ---\n{}",
                self.url,
                &said[said.ceil_char_boundary(from)..]
            );
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
