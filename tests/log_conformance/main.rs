//! One suite for every event log (issue 2, item 3), and what only one of them promises.
//!
//! Kafka's tests need a broker: `scripts/test` starts one and sets `KAFKA_BOOTSTRAP`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it fails; the configuration allows this only inside test functions"
)]

#[path = "../support/mod.rs"]
mod support;

mod embedded_only;
mod kafka_only;
mod kafka_reading;
mod suite;

/// Runs each function of the suite on each log.
macro_rules! conformance {
    ($($name:ident)*) => {
        mod kafka {
            $(#[test] fn $name() {
                if let Some(world) = crate::support::world::World::kafka() {
                    crate::suite::$name(&world);
                }
            })*
        }

        mod embedded {
            $(#[test] fn $name() { crate::suite::$name(&crate::support::world::World::embedded()); })*
        }
    };
}

conformance! {
    appended_records_read_back_with_all_their_bytes
    reading_starts_where_asked_and_stops_at_the_bound
    a_key_always_goes_to_the_same_partition_and_as_kafka_places_it
    records_of_a_caller_keep_their_order
    an_unknown_topic_or_partition_is_denied_and_its_neighbours_are_not
    a_record_that_is_too_large_is_refused
    topics_are_created_once_and_described
    a_topic_that_is_kept_by_key_is_compacted
    a_topic_of_the_ledgers_kind_is_stamped_by_the_log_and_not_compacted
    a_member_gets_every_partition_and_every_record_in_order
    settled_records_are_not_delivered_again_after_a_restart_and_others_are
    members_share_partitions_and_hand_over_without_loss
    a_settlement_of_an_older_epoch_changes_nothing
    a_sink_without_credit_gets_nothing_until_it_has_some_again
    status_tells_how_far_a_member_is
    a_tail_reads_from_its_offset_and_then_live
    a_tail_from_beyond_the_end_starts_at_the_beginning
    what_is_deleted_is_gone_for_every_reader_and_stays_gone
    deleting_what_is_not_there_is_an_error_or_nothing
    two_groups_each_get_everything
    a_closed_log_takes_nothing
    a_sink_that_panics_is_reported_and_its_partitions_go_to_others
    a_tail_whose_sink_panics_does_not_take_the_others_with_it
}
