//! What every analytics store promises, as functions over the port. `conformance!` makes them the tests of a process,
//! which has one engine: so each store has a file of its own.
#![allow(dead_code, reason = "no test file uses everything")]

pub mod inserts_and_queries;
pub mod proxy;
pub mod rows;
pub mod server;
pub mod strangers;

use std::future::Future;
use swarmlog_analytics::Analytics;
use tokio::runtime::Runtime;

/// A store and the runtime that its connections live on.
pub struct World {
    pub runtime: Runtime,
    pub analytics: Analytics,
}

impl World {
    /// Runs a test.
    pub fn with<F: Future<Output = ()>>(&self, test: impl FnOnce(Analytics) -> F) {
        self.runtime.block_on(test(self.analytics.clone()));
    }
}

/// Makes tests of the suite with the world of the file.
#[allow(unused_macros, reason = "no test file uses everything")]
macro_rules! conformance {
    ($world:expr) => {
        conformance!($world;
            inserts_and_queries:
            typed_rows_survive_the_round_trip,
            rows_are_stored_once_however_often_their_insert_is_repeated,
            one_insert_is_one_block,
            compressed_inserts_are_understood_and_broken_ones_refused,
            parameters_arrive_as_they_were_sent,
            long_and_empty_answers_arrive_whole,
            an_error_says_so_before_the_first_row_or_after,
            an_insert_that_breaks_off_stores_nothing,
            rows_in_the_text_of_a_statement_are_refused,
            many_statements_share_the_engine,
            the_tables_explain_themselves;
            strangers:
            hostile_statements_are_refused_and_ordinary_ones_run,
            the_gate_itself_refuses_what_the_engine_would_run,
            answers_have_the_form_that_was_asked_for,
            a_statement_ends_at_its_limits,
            what_does_not_parse_is_explained_without_the_engines_entrails,
            a_stranger_sees_a_doubled_row_once;
        );
    };
    ($world:expr; $($module:ident: $($name:ident),+;)+) => {
        $($(
            #[test]
            fn $name() {
                $world.with(suite::$module::$name);
            }
        )+)+
    };
}
