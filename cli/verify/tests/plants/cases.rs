//! Every planted error is found, and nothing else is.

use super::{
    plants::{self, Found},
    world::{World, codes},
};
use swarmlog_verify::{Options, Report};

/// Each planted error is found where it was planted; no other code is.
pub fn assert_found(report: &Report, planted: &[Found]) {
    assert!(!report.clean);
    for (code, part) in planted {
        let hit = report.findings.iter().any(|finding| finding.code.name() == *code && finding.place.part == *part);
        assert!(hit, "{code} in {part} is not found: {:#?}", report.findings);
    }
    let mut expected: Vec<&str> = planted.iter().map(|(code, _)| *code).collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(codes(report), expected, "{:#?}", report.findings);
}

pub async fn all_rows(world: &World) -> Vec<Found> {
    let mut found = plants::wrong_row(world).await;
    found.extend(plants::missing_row(world).await);
    found.extend(plants::extra_row(world).await);
    found
}

/// A clean world is clean, in memory and through temporary files.
pub async fn assert_clean(world: &World) {
    for memory in [1 << 30, 1] {
        let report = world.verify_with(&Options { memory, ..Options::default() }).await;
        assert!(report.clean && report.findings.is_empty(), "{:#?}", report.findings);
        let models: Vec<_> = report.read_models.iter().map(|m| (m.name.as_str(), m.compared, m.behind)).collect();
        assert_eq!(models, ["jobs", "job_queue", "history", "commands"].map(|name| (name, true, 0)));
        assert_eq!((report.rows_of("jobs"), report.rows_of("history")), (Some(40), Some(60)));
        assert_eq!((report.records_of(".events"), report.records_of(".commands"), report.records_of(".results")), (60, 100, 100));
        assert_eq!(report.rows_of("commands"), Some(80), "a command that came again has one row");
    }
}

/// While writer and projector are at work, nothing that is merely new is taken for wrong.
pub async fn assert_clean_beside_a_running_system(world: &World) {
    let running = world.run();
    let mut rows = 0;
    for round in 0..5 {
        let (report, ()) = tokio::join!(world.verify(), world.send(1_000 + round * 200..1_200 + round * 200));
        assert!(report.clean, "{:#?}", report.findings);
        rows = report.read_models.iter().map(|model| model.rows).sum();
    }
    assert!(rows > 0);
    world.settle().await;
    running.stop().await;
    let report = world.verify().await;
    assert!(report.clean && report.read_models.iter().all(|model| model.behind == 0), "{:#?}", report.findings);
    assert_eq!(report.rows_of("jobs"), Some(1040));
}
