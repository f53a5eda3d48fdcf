//! A Kafka broker of a test's own: the topics' names are fixed, so tests cannot share one.

use std::process::{Command, Output};
use std::sync::Once;

/// The script's exit code where what it needs is not on this machine.
const MISSING: i32 = 3;

/// Stopped when dropped.
pub(crate) struct Broker {
    folder: tempfile::TempDir,
}

impl Broker {
    /// A broker that does not run yet. `None` where Kafka is not tested: said once, and an error where `CI` is set, because
    /// there nobody reads.
    pub(crate) fn new() -> Option<Self> {
        static SAID: Once = Once::new();
        // Where `scripts/test` cleans up if this process cannot.
        if let Some(directory) = std::env::var_os("KAFKA_DIRECTORY") {
            return Some(Self {
                folder: tempfile::tempdir_in(directory).unwrap(),
            });
        }
        assert!(
            std::env::var_os("CI").is_none(),
            "KAFKA_DIRECTORY is not set; use scripts/test"
        );
        SAID.call_once(|| {
            eprintln!("not run: the service on Kafka (set KAFKA_DIRECTORY or use scripts/test)");
        });
        None
    }

    /// Starts it, at the port of the last time; its address.
    pub(crate) fn start(&self) -> String {
        self.script("start", &[])
    }

    /// Starts it at this port.
    pub(crate) fn start_at(&self, port: u16) -> String {
        self.script("start", &["--port", &port.to_string()])
    }

    /// Starts it with a second listener behind a proxy at this port; its own address, and where the proxy has to connect.
    pub(crate) fn start_behind(&self, proxy: u16) -> (String, String) {
        let address = self.script("start", &["--proxy", &proxy.to_string()]);
        (address, self.script("behind", &[]))
    }

    /// Starts it with listeners that ask for TLS and a login, or a certificate; see `scripts/kafka`. `None` where what that
    /// needs is missing, which may be so although a plain broker runs: said, and an error where `CI` is set.
    pub(crate) fn start_secure(&self) -> Option<String> {
        let output = self.run("start", &["--secure"]);
        if output.status.code() == Some(MISSING) {
            let said = String::from_utf8_lossy(&output.stderr);
            let why = said.lines().last().unwrap_or_default();
            assert!(std::env::var_os("CI").is_none(), "{why}");
            eprintln!("not run: the service on a secured Kafka ({why})");
            return None;
        }
        Some(printed("start --secure", &output))
    }

    /// Its files.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn stop(&self) {
        self.script("stop", &[]);
    }

    /// Its folder of logs; `None` if it runs in a container.
    pub(crate) fn data(&self) -> Option<std::path::PathBuf> {
        let data = self.folder.path().join("data");
        data.is_dir().then_some(data)
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.script("kill", &[]);
    }

    /// Changes its access rules by these options of kafka-acls.
    pub(crate) fn acls(&self, options: &[&str]) {
        self.script("acls", &[&["--"], options].concat());
    }

    fn script(&self, command: &str, options: &[&str]) -> String {
        printed(command, &self.run(command, options))
    }

    fn run(&self, command: &str, options: &[&str]) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka");
        let mut script = Command::new(script);
        let script = script.arg(command).arg("--dir").arg(self.folder.path());
        script.args(options).output().unwrap()
    }
}

/// What the script printed; it has to succeed.
fn printed(command: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "scripts/kafka {command}: {said}");
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.trim().to_owned()
}

impl Drop for Broker {
    fn drop(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka");
        Command::new(script)
            .arg("remove")
            .arg("--dir")
            .arg(self.folder.path())
            .output()
            .ok();
    }
}
