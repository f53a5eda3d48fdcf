//! What the command line needs of the service: configuration to run, to check, and to open logs with.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use homeostat_actors::ports::log::EventLog;
use homeostat_logic::rules::Rules;

use super::assembly::kafka_settings;
use super::{open_log, run, topics};
use crate::command::{ConfiguredLog, OpenError, Wiring};
use crate::configuration::{Configuration, effective, load, of_process};
use crate::log::kafka::KafkaLog;

/// Exit code of usage and configuration errors.
const USAGE: u8 = 2;

/// The real service.
#[derive(Clone, Copy, Debug)]
pub struct Service;

impl Wiring for Service {
    fn run(&self, files: &[PathBuf]) -> ExitCode {
        match configured(files) {
            Ok(configuration) => {
                crate::log_output::start(&configuration.settings.log_output);
                run(configuration)
            }
            Err(faults) => {
                crate::command::complain(&faults.join("\n"));
                ExitCode::from(USAGE)
            }
        }
    }

    fn check(&self, files: &[PathBuf]) -> Result<String, Vec<String>> {
        configured(files).map(|configuration| effective(&configuration))
    }

    fn open_log(&self, files: &[PathBuf]) -> Result<ConfiguredLog, OpenError> {
        let configuration = configured(files).map_err(OpenError::Configuration)?;
        let settings = &configuration.settings;
        let log = open_log(settings).map_err(|error| OpenError::Log(format!("{error:#}")))?;
        Ok(ConfiguredLog {
            log,
            topics: topics(settings),
        })
    }

    fn open_kafka(
        &self,
        files: &[PathBuf],
        bootstrap_servers: &str,
    ) -> Result<Arc<dyn EventLog>, OpenError> {
        let configuration = configured(files).map_err(OpenError::Configuration)?;
        let kafka = &configuration.settings.kafka;
        let log = KafkaLog::open(kafka_settings(kafka, bootstrap_servers));
        let log = log.map_err(|error| OpenError::Log(error.to_string()))?;
        Ok(Arc::new(log))
    }
}

/// The configuration, or every fault of it: those of the text and, if there are none, those of the rules.
fn configured(files: &[PathBuf]) -> Result<Configuration, Vec<String>> {
    let lines = |faults: Vec<crate::configuration::Fault>| {
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let configuration = load(files, of_process()).map_err(lines)?;
    match Rules::new(&configuration.rules) {
        Ok(_) => Ok(configuration),
        Err(errors) => {
            let place = |key: &str| configuration.provenance.get(key).map(ToString::to_string);
            let line = |error: &homeostat_logic::rules::RuleError| match place(&error.key) {
                Some(place) => format!("{place}: {error}"),
                None => error.to_string(),
            };
            Err(errors.iter().map(line).collect())
        }
    }
}
