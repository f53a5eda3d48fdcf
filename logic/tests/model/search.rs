//! Breadth-first search over the states of a model, by 64-bit fingerprints; the first violation found has a shortest trace.
//!
//! Written here instead of taken from a library (stateright was looked at): a state shares its folds by prefix and is
//! fingerprinted up to names of bids and of equal instances, which needs no more than this page.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use crate::size::STATES_MAX;

/// What is searched.
pub(crate) trait Model {
    type State: Clone;
    type Step: Copy + Debug;

    fn start(&self) -> Self::State;
    /// The steps that may be possible.
    fn steps(&self, state: &Self::State) -> Vec<Self::Step>;
    /// The state behind a step; none if it is not possible.
    fn apply(&self, state: &Self::State, step: Self::Step) -> Option<Self::State>;
    fn fingerprint(&self, state: &Self::State) -> u64;
    /// The promise that is broken.
    fn broken(&self, state: &Self::State) -> Option<String>;
}

/// A fingerprint is its own hash.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("fingerprints are words")
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// How a state was first reached.
struct Reached<S> {
    from: u64,
    by: Option<S>,
}

type Visited<S> = HashMap<u64, Reached<S>, BuildHasherDefault<AsItIs>>;

/// A promise that is broken, and how.
#[derive(Debug)]
pub(crate) struct Violation<S> {
    pub(crate) promise: String,
    pub(crate) trace: Vec<S>,
}

/// What a search found.
pub(crate) struct Found<M: Model> {
    pub(crate) states: usize,
    pub(crate) depth: usize,
    /// Every state was seen; otherwise the limit cut it off.
    pub(crate) complete: bool,
    pub(crate) seconds: f64,
    pub(crate) violation: Option<Violation<M::Step>>,
    /// One state in some, for what is asked about states afterwards.
    pub(crate) sample: Vec<M::State>,
}

/// How far to go.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// States at most; a search that needs more is cut off.
    pub(crate) states: usize,
    /// Keeps one state in so many; 0 keeps none.
    pub(crate) sample: u64,
}

impl Limits {
    /// As far as this run goes.
    pub(crate) const fn of_size() -> Self {
        Self {
            states: STATES_MAX,
            sample: 0,
        }
    }
}

/// Searches every state.
pub(crate) fn search<M: Model>(model: &M, limits: Limits) -> Found<M> {
    #[allow(
        clippy::disallowed_methods,
        reason = "the table says how long a search took"
    )]
    let began = Instant::now();
    let mut visited = Visited::default();
    let mut open = VecDeque::new();
    let mut found = Found {
        states: 0,
        depth: 0,
        complete: true,
        seconds: 0.0,
        violation: None,
        sample: Vec::new(),
    };
    let start = model.start();
    let print = model.fingerprint(&start);
    visited.insert(
        print,
        Reached {
            from: print,
            by: None,
        },
    );
    open.push_back((start, print, 0));
    while let Some((state, print, depth)) = open.pop_front() {
        found.depth = found.depth.max(depth);
        if limits.sample > 0 && print.is_multiple_of(limits.sample) {
            found.sample.push(state.clone());
        }
        if let Some(promise) = model.broken(&state) {
            let trace = trace(&visited, print);
            found.violation = Some(Violation { promise, trace });
            break;
        }
        if visited.len() > limits.states {
            found.complete = false;
            break;
        }
        for step in model.steps(&state) {
            let Some(next) = model.apply(&state, step) else {
                continue;
            };
            let next_print = model.fingerprint(&next);
            visited.entry(next_print).or_insert_with(|| {
                open.push_back((next, next_print, depth + 1));
                Reached {
                    from: print,
                    by: Some(step),
                }
            });
        }
    }
    found.states = visited.len();
    found.seconds = began.elapsed().as_secs_f64();
    found
}

fn trace<S: Copy>(visited: &Visited<S>, mut print: u64) -> Vec<S> {
    let mut steps = Vec::new();
    while let Some(Reached {
        from,
        by: Some(step),
    }) = visited.get(&print)
    {
        steps.push(*step);
        print = *from;
    }
    steps.reverse();
    steps
}

impl<M: Model> Found<M> {
    /// One row of the table.
    fn print(&self, name: &str, promises: &str) {
        let cut = if self.complete { "" } else { " (cut off)" };
        let violation = self.violation.as_ref();
        let violation = violation.map_or_else(
            || "hold".to_owned(),
            |violation| {
                let steps = violation.trace.len();
                format!("{} after {steps} steps", violation.promise)
            },
        );
        let (states, depth, seconds) = (self.states, self.depth, self.seconds);
        println!(
            "| {name} | {states}{cut} | {depth} | {seconds:.1} s | {promises} | {violation} |"
        );
    }

    /// Fails with the trace if a promise is broken.
    pub(crate) fn must_hold(&self, name: &str, promises: &str) {
        self.print(name, promises);
        if let Some(Violation { promise, trace }) = &self.violation {
            let steps: Vec<String> = trace.iter().map(|step| format!("  {step:?}")).collect();
            panic!("{name}: {promise}\n{}", steps.join("\n"));
        }
    }

    /// Fails unless this promise is broken: the model can see what it is there to see.
    pub(crate) fn must_break(&self, name: &str, promise: &str) {
        self.print(name, promise);
        let found = self
            .violation
            .as_ref()
            .map(|violation| violation.promise.as_str());
        assert!(
            found.is_some_and(|found| found.starts_with(promise)),
            "{name}: expected {promise} to break, found {found:?}"
        );
    }
}
