//! The service: opens the log, serves the API, folds the ledger, starts the actors, joins the group; and ends all of it in
//! the reverse order.

mod assembly;
mod catalog;
mod connections_now;
mod consumption;
mod execution;
mod exit;
mod founding;
mod held;
mod ingested;
mod ledger_health;
mod ledger_topic;
mod observation;
mod state;
mod topic_limits;
mod topics;
mod unread;
mod users;
mod vitals;
mod wiring;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::log::{EventLog, GroupSettings, LogError};
use homeostat_actors::roster::Roster;
use homeostat_actors::supervision::GaveUp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::configuration::{Configuration, Settings};
use crate::http::Server;
use crate::push::Hub;
use crate::push::tail::Following;
use assembly::Assembly;
use consumption::Consumption;
use execution::ExecutionGroup;
use exit::Exit;
use state::ServiceState;

pub use assembly::{open_log, roster_settings};
pub use topics::topics;
pub use wiring::Service;

/// The whole end, from the signal on; a process that is not done by then ends at once. What it left is found by the
/// next start: offsets settled too late mean a redelivery, attempts without outcome their lease.
const END_LIMIT: Duration = Duration::from_secs(10);
/// Of that, for draining partitions, and then for requests under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
const REQUESTS_LIMIT: Duration = Duration::from_secs(3);
/// And for leaving the executor's group, in which nothing has to be drained.
const LEAVE_LIMIT: Duration = Duration::from_millis(500);
/// And for the last words to connected users; who does not read them by then is cut off.
const FAREWELL_LIMIT: Duration = Duration::from_millis(500);
/// Pause before the log is asked again at the start, and between two looks at whether the ledger is still there.
const RETRY: Duration = Duration::from_secs(1);
/// Pause between two looks at the ledger's progress.
const LOOK: Duration = Duration::from_millis(20);

/// Why the service ended by itself.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("asked to end by signal")]
    Signal,
    #[error("supervision gave up on {}: {}", .0.path, .0.failure)]
    GaveUp(GaveUp),
    #[error("{0}")]
    Stalled(String),
    #[error("{0}")]
    Log(String),
    #[error(transparent)]
    Ledger(topics::LedgerError),
}

impl End {
    /// The code of the process, unless it was asked to end.
    const fn exit(&self) -> Option<Exit> {
        match self {
            Self::Signal => None,
            Self::Log(_) => Some(Exit::Log),
            Self::Ledger(_) => Some(Exit::Ledger),
            Self::GaveUp(_) | Self::Stalled(_) => Some(Exit::Failed),
        }
    }
}

/// Runs the service until a signal ends it, or a failure.
pub fn run(configuration: Configuration) -> ExitCode {
    for warning in &configuration.warnings {
        tracing::warn!("configuration: {warning}");
    }
    let system = actix_rt::System::new();
    match system.block_on(serve(configuration)) {
        Ok(end) => end.exit().map_or(ExitCode::SUCCESS, |exit| {
            let code = exit.code();
            tracing::error!(reason = %end, code, "the service ended: it could not continue");
            exit.into()
        }),
        Err(error) => {
            let exit = Exit::of(&error);
            let code = exit.code();
            tracing::error!(
                error = exit::in_full(&error),
                code,
                "the service did not start"
            );
            exit.into()
        }
    }
}

async fn serve(configuration: Configuration) -> anyhow::Result<End> {
    let mut signals = Signals::listen()?;
    let settings = configuration.settings.clone();
    let log = open_log(&settings)?;
    let assembly = Assembly::new(&configuration, Arc::clone(&log))?;
    let (state, push) = (assembly.state(), assembly.push());
    let server = Server::start(&settings.http.listen.to_string(), assembly.api())?;
    announce(&server, &*log);
    let end = match start(assembly, &settings, &log, &mut signals).await? {
        Started::Interrupted => {
            Signals::second_ends_at_once(Exit::Failed);
            state.ending(End::Signal.to_string());
            End::Signal
        }
        Started::Running(mut running) => {
            let end = until_end(&mut running, &state, &*log, &mut signals).await;
            tracing::info!(reason = %end, "draining");
            Signals::second_ends_at_once(end.exit().unwrap_or(Exit::Failed));
            state.ending(end.to_string());
            drain(running.roster, &state).await;
            end
        }
    };
    farewell(&push).await;
    let stop = tokio::task::spawn_blocking(move || server.stop(Duration::from_secs(1)));
    // The server ends with the process whether or not it ended in time.
    stop.await.unwrap_or_default();
    tokio::task::spawn_blocking(move || log.close()).await?;
    tracing::info!("ended");
    Ok(end)
}

/// Connected users hear that the service ends. Last of all: until then they would come back to this instance.
async fn farewell(push: &Hub) {
    push.end();
    let until = tokio::time::Instant::now() + FAREWELL_LIMIT;
    while push.open() > 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(LOOK).await;
    }
}

/// Where the API is, for people and for scripts.
fn announce(server: &Server, log: &dyn EventLog) {
    use std::io::Write as _;
    let address = server.address();
    let mut output = std::io::stdout().lock();
    let line = format!(
        "homeostat listens on http://{address} (event log: {})",
        log.kind()
    );
    // A failure is ignored: the log says the same.
    writeln!(output, "{line}")
        .and_then(|()| output.flush())
        .unwrap_or_default();
    tracing::info!(%address, log = log.kind(), "the HTTP API is listening");
}

enum Started {
    Running(Box<Running>),
    Interrupted,
}

/// What runs.
struct Running {
    roster: Roster,
    /// Set when the watchdog has no smaller step left.
    hopeless: tokio::sync::watch::Receiver<Option<String>>,
    _watched: vitals::Watched,
    _asking: [ledger_health::Asking; 3],
    _updates: Following,
}

/// Topics, ledger, actors, group: each waits for the one before. The log may be away: it is asked until it answers.
async fn start(
    assembly: Assembly,
    settings: &Settings,
    log: &Arc<dyn EventLog>,
    signals: &mut Signals,
) -> anyhow::Result<Started> {
    let state = assembly.state();
    tokio::select! {
        () = signals.any() => return Ok(Started::Interrupted),
        ready = prepare_topics(settings, log, &state) => ready?,
    }
    tokio::select! {
        () = signals.any() => return Ok(Started::Interrupted),
        read = catalog::read(settings, log, &state) => read?,
    }
    let updates = assembly.follow_updates()?;
    let roster = assembly.start_actors()?;
    state.running(roster.supervisor().clone(), Arc::clone(roster.partitions()));
    state.waiting_for("the ledger is being folded".to_owned());
    tokio::select! {
        () = signals.any() => return Ok(Started::Interrupted),
        () = ledger_folded(&roster) => {}
    }
    if let Some(error) = unusable(&roster) {
        return Err(error.into());
    }
    state.waiting_for("the model of recommendations is being read".to_owned());
    tokio::select! {
        () = signals.any() => return Ok(Started::Interrupted),
        read = assembly.users_read() => read?,
    }
    state.waiting_for("writing the ledger's Genesis record".to_owned());
    tokio::select! {
        () = signals.any() => return Ok(Started::Interrupted),
        () = founding::founded(&**log, roster.views()) => {}
    }
    let views = roster.views().to_vec();
    let execution = ExecutionGroup::join(&**log, &settings.kafka.group_id, views)?;
    state.executing(Arc::new(execution));
    let group = GroupSettings {
        group: settings.kafka.group_id.clone(),
        topics: assembly.consumed_topics(),
        drain: Duration::from_millis(settings.consumer.drain_ms),
    };
    let partitions = Arc::clone(roster.partitions());
    let consumption = Arc::new(Consumption::join(Arc::clone(log), group, partitions)?);
    state.joined(Arc::clone(&consumption));
    let ledger = state
        .health()
        .start(Arc::clone(log), state.views().to_vec());
    let (unread, seen) = (Arc::clone(state.unread()), Arc::clone(&state));
    let unread = unread.start(
        Arc::clone(log),
        consumption,
        Arc::clone(roster.partitions()),
        move |status| seen.held().log(status),
    );
    let hopeless = tokio::sync::watch::Sender::new(None);
    let stall_max = Duration::from_millis(settings.supervision.stall_max_ms);
    let vitals = assembly.vitals();
    let watched = vitals.watch(roster.supervisor(), stall_max, &hopeless)?;
    vitals.show(assembly.metrics());
    tracing::info!("ready");
    let ingested = ingested::look_for(Arc::clone(log), assembly.ingested());
    Ok(Started::Running(Box::new(Running {
        roster,
        hopeless: hopeless.subscribe(),
        _watched: watched,
        _asking: [ledger, unread, ingested],
        _updates: updates,
    })))
}

async fn prepare_topics(
    settings: &Settings,
    log: &Arc<dyn EventLog>,
    state: &ServiceState,
) -> anyhow::Result<()> {
    loop {
        let prepared = match log.ensure_topics(topics(settings)).await {
            Ok(()) => topics::check_ledger(&**log, settings).await,
            Err(error) => Err(error.into()),
        };
        match prepared {
            Ok(()) => {
                topic_limits::warn(&**log, settings).await;
                return Ok(());
            }
            Err(topics::LedgerError::Log(error @ LogError::Unavailable(_))) => {
                // What the log itself reported needs no second line each time.
                if log.trouble().is_some() {
                    tracing::debug!(%error, "the event log is not ready; asking again");
                } else {
                    tracing::warn!(%error, "the event log is not ready; asking again");
                }
                state.waiting_for(error.to_string());
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until every ledger partition is folded to what was its end at the start, or refuses to be.
async fn ledger_folded(roster: &Roster) {
    use homeostat_actors::ledger_view::FoldProgress;
    while roster
        .views()
        .iter()
        .any(|view| view.read().progress == FoldProgress::Restoring)
    {
        tokio::time::sleep(LOOK).await;
    }
}

/// Resolves when this instance can no longer go on from what the ledger holds: it ends, so that an instance which folded
/// what is gone executes its partitions.
async fn ledger_lost(roster: &Roster, state: &ServiceState) -> topics::LedgerError {
    loop {
        tokio::time::sleep(RETRY).await;
        let lost = state.health().lost().map(topics::LedgerError::Lost);
        if let Some(error) = unusable(roster).or(lost) {
            return error;
        }
    }
}

/// Why no instance can start from what a ledger partition holds. A partition that is refused for another reason leaves the
/// others at work; a wrong number of partitions stops all of them.
fn unusable(roster: &Roster) -> Option<topics::LedgerError> {
    use homeostat_actors::ledger_view::FoldProgress;
    use topics::LedgerError;
    roster.views().iter().find_map(|view| {
        let partition = view.partition;
        match &view.read().progress {
            &FoldProgress::Truncated { low } => Some(LedgerError::Truncated { partition, low }),
            why @ FoldProgress::Outdated { .. } => Some(LedgerError::Outdated {
                partition,
                why: why.to_string(),
            }),
            why @ FoldProgress::Misplaced { .. } => Some(LedgerError::Misplaced {
                partition,
                partitions: roster.views().len(),
                why: why.to_string(),
            }),
            _ => None,
        }
    })
}

async fn until_end(
    running: &mut Running,
    state: &ServiceState,
    log: &dyn EventLog,
    signals: &mut Signals,
) -> End {
    let roster = &running.roster;
    let (mut gave_up, mut failed) = (roster.supervisor().gave_up(), roster.partitions().failed());
    let mut executors_failed = state.execution().map(|execution| execution.failed());
    let executors_failed = async {
        match executors_failed.as_mut() {
            Some(failed) => failed
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|e| e.clone()),
            None => std::future::pending().await,
        }
    };
    let reason = tokio::select! {
        error = log.failed() => Some(End::Log(error.to_string())),
        error = executors_failed => error.map(|error| End::Log(error.to_string())),
        hopeless = running.hopeless.wait_for(Option::is_some) => {
            hopeless.ok().and_then(|reason| reason.clone()).map(End::Stalled)
        }
        () = signals.any() => return End::Signal,
        error = ledger_lost(roster, state) => return End::Ledger(error),
        gave_up = gave_up.wait_for(Option::is_some) => {
            gave_up.ok().and_then(|reason| reason.clone()).map(End::GaveUp)
        }
        failed = failed.wait_for(Option::is_some) => {
            failed.ok().and_then(|error| error.clone()).map(|error| End::Log(error.to_string()))
        }
    };
    reason.unwrap_or_else(|| End::Log("a watched part of the service has ended".to_owned()))
}

/// Stops polling, finishes what is in flight, commits and leaves the group; then lets requests under way end.
async fn drain(roster: Roster, state: &ServiceState) {
    if let Some(consumption) = state.consumption().cloned() {
        let left = tokio::task::spawn_blocking(move || consumption.leave(DRAIN_LIMIT)).await;
        if let Err(error) = left {
            tracing::warn!(%error, "leaving the consumer group failed; its partitions move after the session timeout");
        }
    }
    if let Some(execution) = state.execution().cloned() {
        let left = tokio::task::spawn_blocking(move || execution.leave(LEAVE_LIMIT)).await;
        if let Err(error) = left {
            tracing::warn!(%error, "leaving the executor's group failed; others execute after the session timeout");
        }
    }
    if !roster.retire_executors(REQUESTS_LIMIT).await {
        tracing::warn!("requests are still in progress; their lease decides what follows");
    }
    roster.shutdown(Duration::from_secs(1)).await;
}

/// SIGTERM and SIGINT: the first drains, the second ends at once. SIGHUP changes nothing.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one that ends the service. SIGHUP asks daemons to reload, and would end one that does not listen.
    async fn any(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP: the configuration cannot be reloaded live yet; restart to apply changes");
                }
            }
        }
    }

    /// From now on a signal, or the end of the time for an end, ends the process. On a separate thread, because the
    /// drain may be what hangs.
    fn second_ends_at_once(exit: Exit) {
        let spawned = std::thread::Builder::new()
            .name("end".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let Ok(runtime) = runtime else { return };
                let reason = runtime.block_on(async {
                    let Ok(mut signals) = Self::listen() else {
                        return "cannot listen for signals";
                    };
                    tokio::select! {
                        () = signals.any() => "second signal",
                        () = tokio::time::sleep(END_LIMIT) => "the drain took too long",
                    }
                });
                tracing::warn!(reason, "ending at once");
                std::process::exit(i32::from(exit.code()));
            });
        if let Err(error) = spawned {
            tracing::warn!(%error, "the drain is not watched");
        }
    }
}
