//! The service as the command line sees it. The parts are not wired together here yet.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use homeostat_actors::ports::log::EventLog;

use crate::command::{ConfiguredLog, OpenError, Wiring};

/// Wires configuration, event log and actors together.
pub struct Service;

const MISSING: &str = "this build has no service wired in yet";

impl Wiring for Service {
    fn run(&self, _files: &[PathBuf]) -> ExitCode {
        tracing::error!(MISSING);
        ExitCode::from(1)
    }

    fn check(&self, _files: &[PathBuf]) -> Result<String, Vec<String>> {
        Err(vec![MISSING.to_owned()])
    }

    fn open_log(&self, _files: &[PathBuf]) -> Result<ConfiguredLog, OpenError> {
        Err(OpenError::Log(MISSING.to_owned()))
    }

    fn open_kafka(&self, _bootstrap_servers: &str) -> Result<Arc<dyn EventLog>, OpenError> {
        Err(OpenError::Log(MISSING.to_owned()))
    }
}
