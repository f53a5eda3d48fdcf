//! Each limit of ledger-protocol §3 at its edge and just beyond it.

use crate::actions::Action::Retrain;
use crate::ledger::fold::samples::*;
use crate::ledger::limits::validate;
use crate::ledger::record::{Gate, Propose, Step, Verify};
use crate::ledger::times::{HORIZON_MS, LEASE_MS_MIN};

/// Changes the only step of a sample proposal.
fn with(change: impl Fn(&mut Step)) -> Propose {
    let mut step = step(Retrain);
    change(&mut step);
    propose(1, vec![step])
}

fn nested(depth: usize) -> Step {
    let next = (depth > 0).then(|| nested(depth - 1));
    let verify = Verify {
        signal: "s".to_owned(),
        within_ms: 1,
        next,
    };
    Step {
        verify: Some(Box::new(verify)),
        ..step(Retrain)
    }
}

fn waits() -> When {
    within(&[window(0, 1)])
}

#[test]
fn a_proposal_at_a_limit_is_valid_and_one_beyond_it_names_the_breach() {
    let decisions = |count: usize| {
        let mut proposal = propose(1, vec![step(Retrain)]);
        proposal.decisions = vec![proposal.decisions[0].clone(); count];
        proposal
    };
    let ladder = |count: usize| propose(1, vec![step(Retrain); count]);
    let escalation = |attempts| {
        let mut proposal = propose(1, vec![step(Retrain)]);
        proposal.decisions[0].escalation.max_attempts = attempts;
        proposal
    };
    let gate = |window_ms| {
        with(|step| {
            step.gates = vec![Gate {
                scope: "s".to_owned(),
                window_ms,
                cap: 1,
            }];
        })
    };
    let derived = |change: fn(&mut Step)| {
        let mut proposal = propose(1, vec![step(Retrain)]);
        change(&mut proposal.decisions[0].escalation);
        proposal
    };
    let verified = |change: fn(&mut Step)| {
        with(|step| {
            *step = nested(1);
            let next = step.verify.as_mut().and_then(|verify| verify.next.as_mut());
            change(next.unwrap());
        })
    };
    let attempts = |count| with(|step| step.max_attempts = count);
    let cooldown = |ms| with(|step| step.cooldown_ms = ms);
    let lease = |ms| with(|step| step.lease_ms = ms);
    let valid = [
        decisions(1),
        decisions(8),
        ladder(5),
        with(|step| step.start = within(&[window(0, 1)])),
        attempts(1),
        attempts(10),
        cooldown(0),
        cooldown(HORIZON_MS),
        gate(HORIZON_MS),
        lease(LEASE_MS_MIN),
        with(|step| *step = nested(5)),
    ];
    for proposal in valid {
        assert_eq!(validate(&proposal), Ok(()));
    }
    let beyond = HORIZON_MS + 1;
    let broken = [
        (decisions(0), "0 decisions"),
        (decisions(9), "9 decisions"),
        (ladder(0), "ladder of 0"),
        (ladder(6), "ladder of 6"),
        (derived(|step| step.start = waits()), "starts at once"),
        (derived(|step| step.approval = true), "starts at once"),
        (verified(|step| step.start = waits()), "starts at once"),
        (verified(|step| step.approval = true), "starts at once"),
        (attempts(0), "0 attempts"),
        (attempts(11), "11 attempts"),
        (escalation(11), "11 attempts"),
        (cooldown(-1), "cooldown_ms"),
        (cooldown(beyond), "cooldown_ms"),
        (gate(beyond), "gates.window_ms"),
        (lease(LEASE_MS_MIN - 1), "at least"),
        (lease(beyond), "lease_ms"),
        (with(|step| step.probe_for_ms = beyond), "probe_for_ms"),
        (with(|step| step.backoff.first_ms = -1), "backoff.first_ms"),
        (with(|step| step.backoff.max_ms = beyond), "backoff.max_ms"),
        (with(|step| *step = nested(6)), "nested"),
    ];
    for (proposal, words) in broken {
        let breach = validate(&proposal).unwrap_err().to_string();
        assert!(breach.contains(words), "{breach}");
    }
}
