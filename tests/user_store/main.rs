//! One suite for every user store (issue 16, point 5), and what only one of them promises.
//!
//! Redis' tests need `redis-server` (Debian: redis-server), which `scripts/test` installs where that is possible.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it fails; the configuration allows this only inside test functions"
)]

mod cluster;
mod embedded_only;
mod redis_access;
mod redis_faults;
mod redis_only;
mod server;
mod suite;
mod world;

/// Runs each function of the suite on each store.
macro_rules! conformance {
    ($($name:ident)*) => {
        mod redis_server {
            $(#[tokio::test] async fn $name() {
                if let Some(world) = crate::world::World::redis() {
                    crate::suite::$name(&world).await;
                }
            })*
        }

        mod embedded {
            $(#[tokio::test] async fn $name() {
                crate::suite::$name(&crate::world::World::embedded()).await;
            })*
        }

        /// All of it on one cluster, whose start takes seconds.
        async fn on_cluster(world: impl Fn(&str) -> crate::world::World) {
            $(crate::suite::$name(&world(stringify!($name))).await;)*
        }
    };
}

conformance! {
    values_come_in_the_order_of_their_keys
    any_text_comes_back_as_it_was_written
    a_write_that_is_not_newer_changes_nothing
    changes_of_one_key_are_made_in_their_order
    entries_end_and_profiles_do_not
    a_write_begins_the_time_of_an_entry_anew
    what_can_never_be_made_is_refused_and_the_rest_is_made
    ten_thousand_profiles_come_in_pages
    of_many_writers_of_one_key_the_newest_position_wins
    many_calls_at_once_are_all_answered
    a_blob_of_tens_of_megabytes_is_replaced_as_a_whole
    a_store_that_is_opened_again_has_everything
}
