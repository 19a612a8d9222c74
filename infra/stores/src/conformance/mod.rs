//! What every operational store promises, as cases that each implementation passes.
//!
//! An implementation gives a [`Fixture`] and writes `swarmlog_stores::conformance_suite!(TheFixture);` in a test module:
//! one test per case.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test suite")]

mod facts;
mod generations;
mod kinds;
mod model;
mod questions;
mod sample;
mod scanning;
mod snapshots;
mod volume;
mod waiting;
mod walks;
mod writing;

pub use facts::*;
pub use generations::*;
pub use kinds::*;
pub use questions::*;
pub use scanning::*;
pub use snapshots::*;
pub use volume::*;
pub use waiting::*;
pub use walks::*;
pub use writing::*;

use crate::Store;
use std::{future::Future, sync::Arc, time::Duration};

/// An empty store for one case.
pub trait Fixture: Send + Sync + Sized {
    /// Makes it.
    fn start() -> impl Future<Output = Self> + Send;
    /// The store.
    fn store(&self) -> Arc<dyn Store>;
    /// Lets go of the store and opens it again; nobody else holds it.
    fn reopen(self) -> impl Future<Output = Self> + Send;
}

/// A bound for what must come at once; only a hang reaches it.
const BOUND: Duration = Duration::from_secs(30);

/// One test per case of the suite, for a [`Fixture`].
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:ty) => {
        $crate::conformance_suite! { @ $fixture:
            a_write_moves_rows_and_positions_together,
            a_stale_position_is_refused_and_leaves_nothing,
            one_stale_source_of_two_refuses_the_whole_write,
            a_step_back_is_refused,
            an_upsert_replaces_the_whole_row,
            a_delete_removes_the_row_and_an_absent_key_is_no_error,
            a_row_that_is_deleted_and_put_in_one_write_is_there,
            parked_records_come_with_their_transaction,
            rows_that_do_not_fit_are_refused_and_leave_nothing,
            a_write_to_an_unknown_generation_is_absent,
            everything_survives_a_reopening,
            loaded_rows_come_in_the_order_of_their_keys,
            a_fact_may_be_written_twice_but_never_changed,
            a_changed_fact_in_one_write_leaves_the_others_alone,
            two_generations_are_independent,
            a_switch_makes_one_live_and_retires_the_other,
            the_second_switch_drops_what_was_retired_before,
            a_rollback_makes_the_retired_one_live_again,
            a_live_generation_cannot_be_discarded,
            a_discarded_generation_is_gone,
            a_read_model_without_a_live_generation_is_absent,
            readers_never_see_a_half_made_switch,
            an_older_generation_serves_a_table_with_a_new_column,
            every_kind_round_trips_with_its_extremes,
            absent_values_round_trip,
            filters_choose_rows,
            filters_take_absent_values_as_the_smallest,
            text_compares_bytewise,
            a_limit_cuts_and_nought_is_nothing,
            unknown_columns_are_refused,
            values_of_another_kind_are_refused,
            a_cursor_of_another_order_is_refused,
            no_value_becomes_sql,
            tenants_do_not_see_each_other,
            a_cursor_visits_every_row_once_in_every_order,
            a_checksum_depends_on_the_rows_alone,
            a_checksum_differs_if_one_value_does,
            a_snapshot_visits_every_row_once,
            a_snapshot_holds_still_while_its_generation_moves,
            snapshots_of_different_tables_do_not_disturb_each_other,
            a_snapshot_of_an_unknown_generation_is_absent,
            what_is_reached_is_answered_at_once,
            a_wait_ends_when_the_position_comes,
            a_wait_ends_when_its_time_is_over,
            a_wait_follows_a_switch,
            five_thousand_rows_in_one_write,
            twenty_thousand_rows_in_one_write,
            a_question_that_no_index_helps_is_answered,
            writers_of_different_generations_do_not_disturb_each_other,
            of_two_writers_of_one_source_one_is_stale,
        }
    };
    (@ $fixture:ty: $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let fixture = <$fixture as $crate::conformance::Fixture>::start().await;
                $crate::conformance::$case(fixture).await;
            }
        )*
    };
}
