//! The closed list of actors and how they are supervised: the one place where the tree is built.
//!
//! ```text
//! homeostat (one-for-one)
//! ├── roles (one-for-one)          the kinds that read topics: drift · performance · scaling · lifecycle
//! ├── ledger-N (rest-for-one)      cooldown, its executor, its keeper: a new fold needs new ones
//! └── partitions (one-for-one)     one consumer per assigned partition; they come and go
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_rt::{Arbiter, ArbiterHandle};
use tokio::time::Instant;

use crate::assignment::Partitions;
use crate::dead_letters::DeadLetters;
use crate::executor::{Executor, ExecutorContext, Retire};
use crate::feed::Decoder;
use crate::keeper::Keeper;
use crate::ledger::{Ledger, LedgerContext};
use crate::ledger_view::LedgerView;
use crate::partition::PartitionContext;
use crate::ports::observer::Observer;
pub use crate::roster_settings::RosterSettings;
use crate::roster_settings::{child, group};
use crate::routing::{Kind, Routes};
use crate::starter::{Means, Starter};
use crate::supervision::{Address, CallError, StartError, Strategy, Supervisor};

/// Threads that partitions' consumers are spread over.
const CONSUMER_ARBITERS: usize = 2;
/// Threads that actors which compute for long are spread over.
const BUSY_ARBITERS: usize = 2;
/// Pause between two looks at what executors still have under way.
const RETIRE_PAUSE: Duration = Duration::from_millis(50);

/// What the actors work with.
pub struct RosterContext {
    /// The kinds that read topics.
    pub kinds: Vec<Kind>,
    /// For them.
    pub means: Means,
    /// How records become events.
    pub decode: Decoder,
    /// For each ledger partition, in order.
    pub ledger: Vec<(LedgerContext, ExecutorContext)>,
    /// Where dead letters go.
    pub dead_letters: DeadLetters,
    /// Metrics.
    pub observer: Arc<dyn Observer>,
}

/// The running actors.
pub struct Roster {
    supervisor: Supervisor,
    executors: Vec<Address<Executor>>,
    views: Vec<Arc<LedgerView>>,
    partitions: Arc<Partitions>,
    /// Threads of the actors; they end with the process.
    arbiters: Vec<Arbiter>,
}

impl Roster {
    /// Starts all actors but the partitions' consumers, which come with assignments. Call it inside an actix system:
    /// supervision itself runs on the caller's thread, apart from the workers.
    ///
    /// # Errors
    /// When the tree cannot be built, which only a mistake in this file brings about.
    pub fn start(context: RosterContext, settings: RosterSettings) -> Result<Self, StartError> {
        let supervisor = Supervisor::new(group("homeostat", &settings));
        let (roles, ledger) = (Arbiter::new(), Arbiter::new());
        let consumers: Vec<Arbiter> = (0..CONSUMER_ARBITERS).map(|_| Arbiter::new()).collect();
        let busy: Vec<Arbiter> = (0..BUSY_ARBITERS).map(|_| Arbiter::new()).collect();
        let handles: Vec<ArbiterHandle> = busy.iter().map(Arbiter::handle).collect();
        let starter = Starter {
            means: &context.means,
            group: &supervisor.group(group("roles", &settings))?,
            settings: &settings,
            arbiter: &roles.handle(),
            busy: &handles,
        };
        let routes = Routes::start(context.kinds, context.decode, &starter)?;
        let views = context
            .ledger
            .iter()
            .map(|(cooldown, _)| Arc::clone(&cooldown.view))
            .collect();
        let executors = context
            .ledger
            .into_iter()
            .map(|(cooldown, executor)| {
                start_ledger(&supervisor, cooldown, executor, &settings, &ledger.handle())
            })
            .collect::<Result<_, _>>()?;
        let failures = supervisor.clone();
        let partition = PartitionContext {
            routes,
            dead_letters: context.dead_letters,
            observer: context.observer,
            retry: settings.retry,
            last_failure: Arc::new(move |path| {
                let actors = failures.snapshot();
                actors
                    .into_iter()
                    .find(|actor| actor.path == path)?
                    .last_failure
            }),
        };
        let partitions = Arc::new(Partitions::new(
            supervisor.group(group("partitions", &settings))?,
            partition,
            settings,
            consumers.iter().map(Arbiter::handle).collect(),
        ));
        let arbiters = [roles, ledger].into_iter().chain(consumers).chain(busy);
        let arbiters = arbiters.collect();
        Ok(Self {
            supervisor,
            executors,
            views,
            partitions,
            arbiters,
        })
    }

    /// The tree.
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// The ledger as folded here, by partition.
    pub fn views(&self) -> &[Arc<LedgerView>] {
        &self.views
    }

    /// Assigned partitions.
    pub const fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// Stops bidding and waits until no request is under way and every outcome is in the ledger, or the time is up.
    /// Says whether nothing was left.
    pub async fn retire_executors(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let mut open = 0;
            for executor in &self.executors {
                let asked = tokio::time::timeout_at(deadline, executor.call(Retire)).await;
                open += match asked {
                    Ok(Ok(open)) => open,
                    Ok(Err(CallError::Closed | CallError::Lost)) => 0,
                    // It does not say; what it has under way is not over for that.
                    Ok(Err(CallError::Full | CallError::Failed)) | Err(_) => 1,
                };
            }
            if open == 0 || Instant::now() >= deadline {
                return open == 0;
            }
            tokio::time::sleep(RETIRE_PAUSE).await;
        }
    }

    /// Stops all actors, then their threads.
    pub async fn shutdown(self, limit: Duration) {
        let outcome = self.supervisor.shutdown(limit).await;
        if outcome.lost > 0 || !outcome.stuck.is_empty() {
            tracing::warn!(
                ?outcome,
                "some actors did not finish; their events are read again at the next start"
            );
        }
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

fn start_ledger(
    supervisor: &Supervisor,
    cooldown: LedgerContext,
    executor: ExecutorContext,
    settings: &RosterSettings,
    arbiter: &ArbiterHandle,
) -> Result<Address<Executor>, StartError> {
    let name = format!("ledger-{}", cooldown.view.partition);
    let group = supervisor.group(group(name, settings).strategy(Strategy::RestForOne))?;
    let (incarnations, outlet) = (AtomicU64::new(0), Arc::clone(&cooldown.executor));
    group.start(child(
        "cooldown",
        "cooldown",
        settings,
        arbiter,
        move || {
            Ledger::new(
                cooldown.clone(),
                incarnations.fetch_add(1, Ordering::Relaxed),
            )
        },
    ))?;
    let means = executor.clone();
    let address = group.start(child(
        "executor",
        "executor",
        settings,
        arbiter,
        move || Executor::new(executor.clone()),
    ))?;
    group.start(child("keeper", "keeper", settings, arbiter, move || {
        Keeper::new(means.clone())
    }))?;
    // The outlet was made for this executor alone, so it is empty.
    outlet.get_or_init(|| address.recipient());
    Ok(address)
}
