//! What every implementation of the port promises, as tests.
//!
//! An implementation gives a [`Fixture`] and calls [`log_conformance!`](crate::log_conformance) in a test module; each
//! case becomes a test of its own. The cases make topics, groups and owners of their own, so fixtures may share one
//! server. They take offsets as they come: they grow, but may have holes. Logs need at least two partitions.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(missing_docs, reason = "the names of the cases are sentences")]

pub mod appends;
pub mod groups;
mod heedless;
pub mod reading;
pub mod sharing;
mod steps;
pub mod transactions;

pub use heedless::{Everything, Heedless};

use crate::Log;
use std::{future::Future, sync::Arc, time::Duration};

/// Beyond this a case hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// A log under test.
pub trait Fixture: Sized + Send {
    /// Opens a log with at least two partitions.
    fn start() -> impl Future<Output = Self> + Send;

    /// The log as it is open now.
    fn log(&self) -> Arc<dyn Log>;

    /// Ends the log in order, as the end of a process would, and opens the same one again.
    fn reopen(&mut self) -> impl Future<Output = ()> + Send;
}

/// Runs a case, but not for ever.
pub async fn bounded(name: &str, case: impl Future<Output = ()>) {
    assert!(tokio::time::timeout(LIMIT, case).await.is_ok(), "{name} did not end within {LIMIT:?}");
}

/// Makes a test of every case: `log_conformance!(MyFixture);`. The calling crate needs tokio with its macros.
#[macro_export]
macro_rules! log_conformance {
    ($fixture:ty) => {
        $crate::log_conformance! { $fixture:
            appends::appended_records_come_back_as_they_were,
            appends::an_append_with_an_absent_source_changes_nothing,
            appends::each_appenders_order_holds_among_64,
            appends::values_of_one_mebibyte_pass,
            appends::times_never_run_backwards,
            appends::topics_and_partition_counts_survive_and_creating_again_keeps_records,
            appends::an_ordered_append_reaches_consumers_and_becomes_durable_by_itself,
            appends::ordered_and_durable_appends_of_one_caller_keep_their_order,
            reading::reading_starts_where_asked_and_keeps_to_the_number_asked_for,
            reading::reading_old_records_gives_the_same_as_reading_new_ones,
            reading::nothing_beyond_the_end_is_ever_read,
            reading::who_follows_gets_every_record_once_and_in_order,
            reading::a_wait_ends_at_once_when_there_are_records_and_in_time_when_there_are_none,
            reading::no_wake_up_is_lost_between_a_look_and_a_wait,
            reading::a_time_finds_the_first_record_at_or_after_it,
            reading::absent_sources_are_named,
            reading::what_is_not_trimmed_stays_and_so_does_the_end,
            transactions::a_transaction_is_there_as_a_whole_with_its_consumed_offsets,
            transactions::an_absent_source_refuses_the_whole_transaction,
            transactions::a_newer_owner_fences_the_older_which_changes_nothing,
            transactions::owners_of_other_names_are_not_fenced,
            transactions::epochs_and_consumed_offsets_survive_a_reopening,
            transactions::consumed_offsets_belong_to_their_group,
            transactions::a_decision_is_never_there_without_its_command,
            transactions::owners_that_race_commit_without_loss_or_double,
            groups::a_single_member_gets_every_partition_of_every_topic,
            groups::nothing_comes_before_a_seek_and_a_seek_is_followed,
            groups::a_seek_back_delivers_again,
            groups::two_members_share_and_get_the_same_partitions_of_every_topic,
            groups::a_member_that_leaves_gives_its_partitions_back,
            groups::groups_do_not_share_with_each_other,
            groups::nothing_comes_from_a_revoked_partition,
            groups::records_that_come_later_wake_a_member_and_silence_is_idle,
            groups::every_record_counts_once_while_members_come_and_go,
            sharing::a_partition_that_was_not_sought_delivers_nothing_also_when_it_comes_back,
            sharing::a_member_for_whom_nothing_is_left_is_told_so,
            sharing::a_partition_changes_hands_when_its_holder_asks_for_what_comes_next,
            sharing::shared_work_is_done_once_for_every_partition_while_members_come_and_go,
        }
    };
    ($fixture:ty: $($module:ident::$case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let mut fixture = <$fixture as $crate::conformance::Fixture>::start().await;
                let case = $crate::conformance::$module::$case(&mut fixture);
                $crate::conformance::bounded(stringify!($case), case).await;
            }
        )+
    };
}
