//! The table, and what of it is not acceptable.

use std::time::Duration;

use crate::world::SESSION;

/// How long after a fault the last of its events may be decided: the session timeout, and some.
const RECOVERY_MAX: Duration = SESSION.saturating_add(Duration::from_secs(5));
/// The same of the short set, which runs beside other tests.
const RECOVERY_BESIDE_MAX: Duration = SESSION.saturating_add(Duration::from_secs(30));
/// How much more memory a fault may take than the same number of decisions takes in calm: bytes, and times. The fold and the
/// history keep what was decided, so memory grows with that, fault or not.
const MEMORY_MORE_MAX: u64 = 64 * 1_024 * 1_024;
const MEMORY_TIMES_MAX: u64 = 2;

/// What a fault did.
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) rounds: usize,
    pub(crate) events: usize,
    pub(crate) lost: Vec<String>,
    pub(crate) duplicated: Vec<String>,
    /// One for each round.
    pub(crate) recoveries: Vec<Duration>,
    /// Bytes: before the first event, and at most.
    pub(crate) base: u64,
    pub(crate) peak: u64,
    /// In the ledger at the end.
    pub(crate) decisions: usize,
    /// Other promises that were broken.
    pub(crate) breaches: Vec<String>,
    /// What else was measured.
    pub(crate) notes: Vec<String>,
}

impl Row {
    pub(crate) const fn new(fault: &'static str) -> Self {
        Self {
            fault,
            rounds: 0,
            events: 0,
            lost: Vec::new(),
            duplicated: Vec::new(),
            recoveries: Vec::new(),
            base: 0,
            peak: 0,
            decisions: 0,
            breaches: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Takes the rounds of another world in.
    pub(crate) fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.events += other.events;
        self.lost.extend(other.lost);
        self.duplicated.extend(other.duplicated);
        self.recoveries.extend(other.recoveries);
        self.base = self.base.min(other.base);
        self.peak = self.peak.max(other.peak);
        self.decisions = self.decisions.max(other.decisions);
        self.breaches.extend(other.breaches);
        self.notes.extend(other.notes);
    }

    /// The value that so many percent of the rounds do not exceed (nearest rank).
    fn recovery(&self, percent: usize) -> Duration {
        let mut sorted = self.recoveries.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

/// Prints the table; everything that is not acceptable.
pub(crate) fn print(rows: &[Row], seed: u64, is_short: bool) -> Vec<String> {
    println!("\nchaos, seed {seed}, Apache Kafka, session timeout {SESSION:?}\n");
    println!(
        "| fault | rounds | events | lost | duplicated | recovery p50 | recovery p99 | peak memory |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for row in rows {
        println!(
            "| {} | {} | {} | {} | {} | {:.1} s | {:.1} s | {} MiB |",
            row.fault,
            row.rounds,
            row.events,
            row.lost.len(),
            row.duplicated.len(),
            row.recovery(50).as_secs_f64(),
            row.recovery(99).as_secs_f64(),
            row.peak / 1_024 / 1_024
        );
    }
    println!();
    for (row, note) in rows
        .iter()
        .flat_map(|row| row.notes.iter().map(move |note| (row, note)))
    {
        println!("{}: {note}", row.fault);
    }
    breaches(
        rows,
        if is_short {
            RECOVERY_BESIDE_MAX
        } else {
            RECOVERY_MAX
        },
    )
}

fn breaches(rows: &[Row], recovery_max: Duration) -> Vec<String> {
    let mut breaches = Vec::new();
    let calm = rows.iter().find(|row| row.fault == "none");
    for row in rows {
        let mut breach = |what: String| breaches.push(format!("{}: {what}", row.fault));
        row.lost
            .iter()
            .for_each(|what| breach(format!("lost: {what}")));
        row.duplicated
            .iter()
            .for_each(|what| breach(format!("duplicated: {what}")));
        row.breaches.iter().for_each(|what| breach(what.clone()));
        let recovery = row.recovery(99);
        if recovery > recovery_max {
            breach(format!(
                "recovered after {recovery:?}, more than {recovery_max:?}"
            ));
        }
        if let Some(most) = calm.map(|calm| memory_max(calm, row.decisions))
            && row.peak > most
        {
            let peak = row.peak;
            breach(format!("took {peak} bytes of memory, more than {most}"));
        }
    }
    breaches
}

/// Memory that so many decisions may take, by what they take in calm.
fn memory_max(calm: &Row, decisions: usize) -> u64 {
    let each = calm.peak.saturating_sub(calm.base) / (calm.decisions as u64).max(1);
    calm.base + MEMORY_MORE_MAX + MEMORY_TIMES_MAX * each * decisions as u64
}
