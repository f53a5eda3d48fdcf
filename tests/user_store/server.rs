//! A Redis of a test's own: started on a free port, killed, started again on its data.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

/// Longest wait for a server.
const LIMIT: Duration = Duration::from_secs(30);

/// A server with a folder of its own.
pub(crate) struct Server {
    child: Child,
    port: u16,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
}

/// A free port, below those that a cluster's bus would not find room above.
pub(crate) fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if port < 55_000 {
            return port;
        }
    }
}

fn is_installed() -> bool {
    static SAID: Once = Once::new();
    let found = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_installed = found.is_ok_and(|status| status.success());
    if !is_installed {
        assert!(
            std::env::var_os("CI").is_none(),
            "redis-server is not installed; use scripts/test"
        );
        SAID.call_once(|| eprintln!("not run: Redis (Debian: redis-server)"));
    }
    is_installed
}

impl Server {
    /// Starts one that keeps what it acknowledged; `None` where none is installed.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // Another process may take the port in between.
        for _ in 0..5 {
            let port = free_port();
            let owned: Vec<String> = arguments
                .iter()
                .map(|argument| argument.replace("{port}", &port.to_string()))
                .collect();
            let mut child = spawn(port, folder.path(), &owned);
            if answers(port, &mut child) {
                return Some(Self {
                    child,
                    port,
                    arguments: owned,
                    folder,
                });
            }
        }
        panic!("no Redis could be started")
    }

    #[allow(dead_code, reason = "each test binary uses its part")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As kill -9 does it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on its port and data, with other arguments if there are any.
    pub(crate) fn restart(&mut self, further: &[&str]) {
        let mut arguments = self.arguments.clone();
        arguments.extend(further.iter().map(|argument| (*argument).to_owned()));
        self.child = spawn(self.port, self.folder.path(), &arguments);
        assert!(
            answers(self.port, &mut self.child),
            "Redis did not start again"
        );
    }

    /// Removes its data while it does not run.
    #[allow(dead_code, reason = "each test binary uses its part")]
    pub(crate) fn forget(&self) {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// A command by another client; its answer as text.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port, arguments)
    }
}

/// A command by another client.
pub(crate) fn cli(port: u16, arguments: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-p", &port.to_string(), "--no-auth-warning"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Child {
    let is_tls = arguments.iter().any(|argument| argument == "--tls-port");
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "always"]);
    command.args(["--port", &if is_tls { 0 } else { port }.to_string()]);
    command.arg("--dir").arg(folder).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Whether it takes connections before it ends.
fn answers(port: u16, child: &mut Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if child.try_wait().unwrap().is_some() {
            let mut said = String::new();
            if let Some(output) = &mut child.stdout {
                output.read_to_string(&mut said).unwrap();
            }
            eprintln!("{said}");
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            // Nothing reads what it logs from here on: the pipe must not fill.
            let output = child.stdout.take().unwrap();
            std::thread::spawn(move || {
                drop(std::io::copy(&mut { output }, &mut std::io::sink()));
            });
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
