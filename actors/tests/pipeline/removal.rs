//! What a fold does about records that were there and that it never read (ledger-protocol V8).

use homeostat_actors::ledger_view::FoldProgress;
use homeostat_actors::ports::log::EventLog as _;
use homeostat_logic::topic::LEDGER;

use crate::bench::{Bench, LEDGER_PARTITIONS, Plan, drift, until};
use crate::memory_log::place;

const DRIFT: &str = "data.drift.detected";

fn partitions() -> impl Iterator<Item = i32> {
    (0..).take(LEDGER_PARTITIONS)
}

async fn decide(bench: &Bench, models: std::ops::Range<u32>) {
    for number in models {
        bench
            .log
            .produce(&place(DRIFT, 0), drift(format!("m{number}")));
    }
    bench.until_settled(&place(DRIFT, 0)).await;
}

#[actix::test]
async fn g6_a_fold_that_a_removal_overtook_folds_and_sends_nothing_more() {
    let bench = Bench::start(Plan::default(), &[&place(DRIFT, 0)]).await;
    decide(&bench, 0..20).await;
    until("all were sent", || bench.orders().len() == 20).await;
    // It stands still while the log goes on, and somebody removes everything.
    bench.log.stop_tails(true);
    decide(&bench, 20..40).await;
    for number in partitions() {
        let here = place(LEDGER, number);
        let index = usize::try_from(number).unwrap();
        let end = bench.log.records(LEDGER, index).last().unwrap().offset + 1;
        bench.log.delete_before(here, end).await.unwrap();
    }
    decide(&bench, 0..40).await;
    bench.log.stop_tails(false);
    let truncated = |view: &std::sync::Arc<homeostat_actors::ledger_view::LedgerView>| {
        matches!(view.read().progress, FoldProgress::Truncated { .. })
    };
    until("every fold stops", || {
        bench.roster.views().iter().all(truncated)
    })
    .await;
    assert_eq!(bench.orders().len(), 20, "nothing is sent by half a ledger");
    bench.end().await;
}

#[actix::test]
async fn g6_offsets_that_were_never_records_leave_the_fold_as_it_is() {
    let bench = Bench::start(Plan::default(), &[&place(DRIFT, 0)]).await;
    for round in 0..4 {
        decide(&bench, round * 5..round * 5 + 5).await;
        for number in partitions() {
            bench.log.mark(&place(LEDGER, number));
        }
    }
    until("all were sent", || bench.orders().len() == 20).await;
    until("the views are folds of the whole ledger", || {
        let fresh = bench.fold().into_iter().map(|(fold, _)| fold.hash());
        let views = bench.roster.views().iter();
        fresh.eq(views.map(|view| view.read().fold.hash()))
    })
    .await;
    let restarts = |number| {
        bench
            .actor(&format!("homeostat/ledger-{number}/cooldown"))
            .restarts
    };
    assert_eq!(partitions().map(restarts).sum::<u64>(), 0);
    bench.end().await;
}

/// The newest start finds its end behind the last record; so does a fold that starts over.
#[actix::test]
async fn a_ledger_that_ends_in_offsets_that_are_no_records_is_folded_to_its_end() {
    let bench = Bench::start(Plan::default(), &[&place(DRIFT, 0)]).await;
    decide(&bench, 0..10).await;
    until("all were sent", || bench.orders().len() == 10).await;
    for number in partitions() {
        bench.log.mark(&place(LEDGER, number));
        bench.log.mark(&place(LEDGER, number));
    }
    let at_the_end = || {
        partitions()
            .zip(bench.roster.views())
            .all(|(number, view)| {
                let index = usize::try_from(number).unwrap();
                let end = bench.log.end(LEDGER, index);
                view.is_live() && view.read().read_to == end
            })
    };
    until("the markers are passed", at_the_end).await;
    for number in partitions() {
        let path = format!("homeostat/ledger-{number}/cooldown");
        bench.roster.supervisor().restart(&path).unwrap();
    }
    let restarted = || {
        let restarts = |number| {
            let path = format!("homeostat/ledger-{number}/cooldown");
            bench.actor(&path).restarts
        };
        partitions().all(|number| restarts(number) == 1)
    };
    until("the folds start over", restarted).await;
    until("they are live at the end", at_the_end).await;
    // And what comes behind the markers is decided and sent.
    decide(&bench, 10..20).await;
    until("all were sent", || bench.orders().len() == 20).await;
    bench.end().await;
}

#[actix::test]
async fn g8_a_ledger_of_another_number_of_partitions_is_told_and_not_folded() {
    let bench = Bench::start(Plan::default(), &[&place(DRIFT, 0)]).await;
    decide(&bench, 0..20).await;
    until("all were sent", || bench.orders().len() == 20).await;
    // Behind the Genesis.
    let proposal = bench.log.records(LEDGER, 0).remove(1);
    bench
        .log
        .produce(&place(LEDGER, 1), proposal.value.unwrap());
    until("its partition stops", || {
        let progress = &bench.roster.views()[1].read().progress;
        matches!(progress, FoldProgress::Misplaced { .. })
    })
    .await;
    let told = bench.roster.views()[1].read().progress.to_string();
    assert!(told.contains("another number of partitions"), "{told}");
    assert!(bench.roster.views()[0].is_live());
    bench.end().await;
}
