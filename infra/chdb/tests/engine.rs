//! One engine in this process, so one test that walks through everything in order.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{path::Path, process::Command, time::Duration};
use swarmlog_chdb::{self as chdb, ChdbError, Engine, StatementClass};

const HOLD: &str = "SWARMLOG_TEST_DATA";

#[test]
fn an_engine_runs_statements_streams_and_inserts_until_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let library = chdb::find_library();
    if let Ok(data) = std::env::var(HOLD) {
        // The second process of `a folder belongs to one process` below.
        let error = Engine::load(&library, Path::new(&data), None).err().expect("a held folder");
        assert!(matches!(error, ChdbError::Locked(_)), "{error}");
        println!("refused: {error}");
        return;
    }

    let absent = folder.path().join("absent.so");
    let error = Engine::load(&absent, folder.path(), None).err().expect("no library").to_string();
    for word in [absent.to_str().unwrap(), "make chdb", "npm", "SWARMLOG_CHDB_LIBRARY"] {
        assert!(error.contains(word), "{error}");
    }
    let other = folder.path().join("other.so");
    std::fs::write(&other, "no library").unwrap();
    let error = Engine::load(&other, folder.path(), None).err().expect("no library");
    assert!(matches!(error, ChdbError::Unusable { .. }), "{error}");

    let data = folder.path().join("data");
    let engine = match Engine::load(&library, &data, None) {
        Ok(engine) => engine,
        Err(error) => panic!("{error}"),
    };

    // One engine per process, one process per folder.
    let second = Engine::load(&library, &folder.path().join("second"), None).err().expect("a second engine");
    assert!(matches!(second, ChdbError::Loaded), "{second}");
    let child = Command::new(std::env::current_exe().unwrap()).arg("--nocapture").env(HOLD, &data).output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("refused: another process holds"), "{said}");

    let mut connection = engine.connect().unwrap();
    assert_eq!(connection.query("SELECT 1 + 1", "TSV").unwrap(), "2\n");
    let answer = connection.query_with("SELECT {a:String}, {b:UInt8} + 1", "TSV", &[("a", "it's\\n"), ("b", "6")]).unwrap();
    assert_eq!(answer, "it\\'s\\n\t7\n");
    match connection.query("SELECT nonsense", "TSV") {
        Err(ChdbError::Statement { code: 47, .. }) => {}
        other => panic!("{other:?}"),
    }

    // The parser's opinion.
    let class = |sql| connection.classify(sql).map(|a| (a.statements, a.class)).unwrap();
    assert_eq!(class("SELECT 1"), (1, StatementClass::ReadOnly));
    assert_eq!(class("SELECT 1; SELECT 2"), (2, StatementClass::ReadOnly));
    assert_eq!(class("SELECT 1 INTO OUTFILE '/tmp/x'"), (1, StatementClass::Control));
    assert_eq!(class("DROP TABLE t").1, StatementClass::Mutating);
    assert_eq!(class("SELEC 1"), (0, StatementClass::Unknown));

    // Output in pieces, an error in the middle, a stream that is left early.
    let mut stream = connection.stream("SELECT number FROM numbers(200000)", "RowBinary", &[]).unwrap();
    let mut bytes = 0;
    let mut pieces = 0;
    while let Some(piece) = stream.next_piece().unwrap() {
        bytes += piece.len();
        pieces += 1;
    }
    assert_eq!(bytes, 200_000 * 8);
    assert!(pieces > 1, "{pieces}");
    assert!(stream.next_piece().unwrap().is_none());
    drop(stream);
    let sql = "SELECT throwIf(number = 150000) FROM numbers(200000) SETTINGS max_block_size = 1000";
    let mut stream = connection.stream(sql, "RowBinary", &[]).unwrap();
    let error = loop {
        match stream.next_piece() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ChdbError::Statement { code: 395, .. }), "{error}");
    drop(stream);
    let mut stream = connection.stream("SELECT number FROM system.numbers", "RowBinary", &[]).unwrap();
    assert!(stream.next_piece().unwrap().is_some());
    drop(stream);

    // Rows beside the statement, with everything in them that would end inline data.
    connection.query("CREATE DATABASE d", "TSV").unwrap();
    connection.query("CREATE TABLE d.t (a String) ENGINE = MergeTree ORDER BY a", "TSV").unwrap();
    let mut insert = connection.insert("INSERT INTO d.t (a)", "JSONEachRow").unwrap();
    insert.append(b"{\"a\":\"x\"}\n\n").unwrap();
    insert.append(b"{\"a\":\"DROP TABLE d.t;\\n\\n\"}").unwrap();
    assert_eq!(insert.finish().unwrap(), 2);
    let mut insert = connection.insert("INSERT INTO d.t (a)", "RowBinary").unwrap();
    insert.append(b"\x05trunc").unwrap();
    drop(insert);
    let mut insert = connection.insert("INSERT INTO d.t (a)", "RowBinary").unwrap();
    insert.append(b"\x09trunc").unwrap();
    assert!(insert.finish().is_err());
    assert!(connection.insert("INSERT INTO d.absent (a)", "RowBinary").is_err());
    assert_eq!(connection.query("SELECT count() FROM d.t", "TSV").unwrap(), "2\n");

    // Closing waits for connections, then ends for good.
    let error = engine.close(Duration::from_millis(10)).expect_err("a connection in use");
    assert!(matches!(error, ChdbError::Busy(1)), "{error}");
    let waiting = std::thread::spawn({
        let engine = engine.clone();
        move || engine.close(Duration::from_secs(20))
    });
    drop(connection);
    waiting.join().unwrap().unwrap();
    assert!(matches!(engine.connect().err(), Some(ChdbError::Closed)));
    assert!(matches!(Engine::load(&library, &data, None).err(), Some(ChdbError::Loaded)));
}
