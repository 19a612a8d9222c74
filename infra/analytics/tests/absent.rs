//! Without the library, and with one engine too many.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use swarmlog_analytics::{Analytics, AnalyticsError, SqlFormat, find_library};

#[tokio::test]
async fn a_missing_library_is_named_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libchdb.so");
    let error = Analytics::embedded(&library, folder.path()).expect_err("no library");
    let AnalyticsError::Absent(reason) = &error else { panic!("{error}") };
    for word in [library.to_str().unwrap(), "make chdb", "npm", "SWARMLOG_CHDB_LIBRARY"] {
        assert!(reason.contains(word), "{reason}");
    }

    let absent = Analytics::absent(reason.clone());
    assert_eq!(absent.check().await, Err(reason.clone()));
    assert!(matches!(absent.prepare().await, Err(AnalyticsError::Absent(_))));
    assert!(matches!(absent.client(), Err(AnalyticsError::Absent(_))));
    let answer = absent.sql("SELECT 1", SqlFormat::Json).await;
    assert!(matches!(answer, Err(AnalyticsError::Absent(_))), "{answer:?}");
    absent.close().await.unwrap();
}

#[tokio::test]
async fn a_process_has_one_engine_and_can_close_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Analytics::embedded(&find_library(), &folder.path().join("a & <b>")).unwrap_or_else(|error| panic!("{error}"));
    let second = Analytics::embedded(&find_library(), &folder.path().join("c")).expect_err("a second engine").to_string();
    assert!(second.contains("only one"), "{second}");
    assert_eq!(first.client().unwrap().query("SELECT 1").fetch_one::<u8>().await.unwrap(), 1);
    first.prepare().await.unwrap();
    first.check().await.unwrap();
    first.close().await.unwrap();
    first.close().await.unwrap();
    let gone = first.check().await.expect_err("a closed engine");
    assert!(gone.contains("closed"), "{gone}");
    assert!(first.client().unwrap().query("SELECT 1").fetch_one::<u8>().await.is_err());
    assert!(matches!(first.sql("SELECT 1", SqlFormat::Json).await, Err(AnalyticsError::Transient(_))));
}
