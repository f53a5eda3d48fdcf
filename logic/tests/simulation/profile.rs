//! What may go wrong in one world, drawn from its seed; and the faults in the glue that the simulation must find.

use homeostat_logic::ledger::record::Millis;

use crate::dice::Dice;

pub(crate) const SECOND: Millis = 1_000;
pub(crate) const MINUTE: Millis = 60 * SECOND;
pub(crate) const HOUR: Millis = 60 * MINUTE;
pub(crate) const DAY: Millis = 24 * HOUR;

/// A thing that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A process dies, forgets everything and comes back, perhaps with other rules.
    Crash,
    /// The executor of a partition is rebuilt in a living process.
    RestartExecutor,
    /// A process is stopped; clocks go on; then it goes on as if nothing had happened.
    Pause,
    /// A process and the log do not see each other.
    Cut,
    /// The groups deal their partitions anew.
    Rebalance,
    /// A target is not reached, or does not answer.
    Outage,
    /// The broker's clock of a ledger partition jumps, within J.
    ClockStep,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::Crash,
        Self::RestartExecutor,
        Self::Pause,
        Self::Cut,
        Self::Rebalance,
        Self::Outage,
        Self::ClockStep,
    ];
}

/// What the targets do when the faults have stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Answers,
    Refuses,
    Hangs,
}

/// What may go wrong in one world.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) processes: usize,
    pub(crate) ledger_partitions: usize,
    pub(crate) events: i64,
    /// When the faults stop.
    pub(crate) until: Millis,
    /// Every process executes every partition, as ledger-protocol §2 assumes; otherwise the group decides.
    pub(crate) everybody_owns: bool,
    /// Processes, and incarnations of one, have different rules.
    pub(crate) mixed_rules: bool,
    /// Owners write checkpoints, and what is behind them and old enough is deleted.
    pub(crate) checkpoints: bool,
    /// Appends that are late, lost, doubled or reported failed, per mille.
    pub(crate) append_trouble: i64,
    /// Requests that are not simply done, per mille.
    pub(crate) target_trouble: i64,
    /// Records nobody can read, per mille.
    pub(crate) poison: i64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) fault_count: i64,
    /// Orders by people.
    pub(crate) orders: i64,
    pub(crate) ending: Ending,
}

impl Profile {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let mut faults: Vec<Fault> = Fault::ALL.into_iter().filter(|_| dice.one_in(2)).collect();
        if faults.is_empty() {
            faults.push(dice.pick(&Fault::ALL));
        }
        // Some worlds last for days, so that windows open and the fold forgets.
        let until = match dice.roll(8) {
            0 => dice.between(2, 30) * DAY,
            1 => dice.between(2, 24) * HOUR,
            _ => dice.between(10, 40) * MINUTE,
        };
        Self {
            processes: usize::try_from(dice.between(2, 3)).unwrap(),
            ledger_partitions: usize::try_from(dice.between(1, 2)).unwrap(),
            events: dice.between(8, 36),
            until,
            everybody_owns: dice.one_in(3),
            mixed_rules: dice.one_in(2),
            checkpoints: until > DAY || dice.one_in(4),
            append_trouble: dice.pick(&[0, 50, 200, 400]),
            target_trouble: dice.pick(&[0, 200, 500, 800]),
            poison: dice.pick(&[0, 0, 100]),
            faults,
            fault_count: dice.between(0, 24),
            orders: dice.pick(&[0, 8, 40]),
            ending: dice.pick(&[
                Ending::Answers,
                Ending::Answers,
                Ending::Refuses,
                Ending::Hangs,
            ]),
        }
    }
}

/// A fault built into the glue on purpose: each must be found, or the simulation proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// The glue is as it should be.
    Nothing,
    /// Start ids come from a counter that begins anew with each executor (V1, V2).
    ReusedStartIds,
    /// Offsets are settled as soon as the proposal is on its way.
    SettledBeforeAcknowledged,
    /// A proposal whose append failed is not appended again.
    FailedAppendForgotten,
    /// The group takes commits of members it has expelled.
    UnfencedCommit,
    /// A request without an answer counts as one without effect (V4).
    TimeoutIsFailure,
    /// A target says that it knows nothing of what it did.
    LyingProbe,
    /// The client of the connector repeats requests by itself.
    ClientRepeats,
    /// The rule is a part of the event's identity (V5).
    RuleInIdentity,
    /// An event whose key cools down in the local view is not proposed (V6).
    SkippedWhenCooling,
    /// A process starts from the first record left instead of a checkpoint (V8).
    FoldedFromFirstLeft,
    /// A process proposes before the partition has its Genesis.
    ProposedBeforeGenesis,
    /// Every installation has the same identity.
    OneInstallationForAll,
}
