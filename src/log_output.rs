//! Where the log goes and in which form: text on a terminal, one JSON object a line elsewhere.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::configuration::{LogFormat, LogOutput};

/// Noise of libraries that says nothing to an operator at the level they log it.
const QUIET: [&str; 4] = [
    "fjall=warn",
    "lsm_tree=warn",
    "actix_server=warn",
    "librdkafka=warn",
];

/// Starts logging to standard error. `RUST_LOG` goes before the configuration; one that cannot be read is logged.
pub fn start(settings: &LogOutput) {
    let from_environment = std::env::var_os("RUST_LOG").filter(|filter| !filter.is_empty());
    let read = from_environment.map(|_| EnvFilter::try_from_default_env());
    let (filter, fault) = match read {
        Some(Ok(filter)) => (Some(filter), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let filter = filter.unwrap_or_else(|| {
        let quiet = QUIET.join(",");
        EnvFilter::new(format!("{quiet},{}", settings.level))
    });
    let output = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Lossy(std::io::stderr()))
        // It would report a failed write on the very output that failed, and panic at that.
        .log_internal_errors(false);
    let terminal = std::io::stderr().is_terminal();
    let text = match settings.format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    // Started twice only by tests in one process; the first stays.
    let started = if text {
        output.with_ansi(terminal).try_init()
    } else {
        output.json().flatten_event(true).try_init()
    };
    started.unwrap_or_default();
    if let Some(error) = fault {
        tracing::warn!(%error, "RUST_LOG cannot be parsed; using log_output.level");
    }
    std::panic::set_hook(Box::new(log_panic));
}

/// Standard error whose failures are ignored: a full disk or a log reader that went away must not take the
/// service along.
struct Lossy(std::io::Stderr);

impl std::io::Write for Lossy {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(self.0.write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush().or(Ok(()))
    }
}

/// A panic is one line of the log like any other; supervision says what follows from it.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let message = panic
        .payload_as_str()
        .unwrap_or("a payload that is not text");
    let thread = std::thread::current();
    tracing::error!(place, message, thread = thread.name(), "a panic");
}
