//! Every kind of column gives back what it was given.

use super::{Fixture, sample::*};
use schemas::row::{Json, Time};

/// The smallest, the largest, the empty and the strange.
pub async fn every_kind_round_trips_with_its_extremes(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let texts = ["", " ", "a'b\"c;--", "日本語 \u{202e}x", "\u{10ffff}", "1", "1.0", "NULL", "e\u{301} é", "%_\\"];
    let integers = [i64::MIN, i64::MIN + 1, -1, 0, 1, (1 << 53) + 1, i64::MAX];
    let floats = [f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1, -0.0, 1e300, 3.0, f64::INFINITY, f64::NEG_INFINITY];
    let mut rows = Vec::new();
    for n in 0..10 {
        let (text, integer, float) = (texts[n], integers[n % integers.len()], floats[n]);
        rows.push(Sample {
            id: text.into(),
            part: integer,
            group: text.into(),
            rank: integer,
            weight: float,
            done: n % 2 == 0,
            at: Time(integer),
            config: Json(format!("{{\"text\": {text:?},\n \"b\":1.0, \"a\":[]}}")),
            maybe: Some(integer),
            name: Some(text.into()),
            share: Some(float),
            open: Some(n % 2 == 1),
            until: Some(Time(integer)),
            result: Some(Json(String::new())),
        });
    }
    store.write(write(&made, 0, 1, rows.clone())).await.unwrap();
    let keys: Vec<_> = rows.iter().map(schemas::Row::key).collect();
    let loaded: Vec<Sample> = load(&*store, &made, &keys).await.into_iter().map(Option::unwrap).collect();
    assert_eq!(loaded, rows);
    for row in &rows {
        let found = get::<Sample>(&*store, TENANT, &schemas::Row::key(row)).await.unwrap();
        assert_eq!(&found, row);
        assert!(found.weight.is_sign_positive() || found.weight < 0.0, "-0.0 is stored as 0.0");
    }
    let made = live::<Record>(&*store).await;
    let every: Vec<u8> = (0..=255).collect();
    let records = [
        Record::new("x", 1, every.repeat(500)),
        Record::new("x", 2, vec![]),
        Record { extra: Some(vec![0]), ..Record::new("x", 3, [0, 0]) },
        Record { extra: Some(vec![]), ..Record::new("x", 4, [255]) },
    ];
    store.write(write(&made, 0, 1, records.clone())).await.unwrap();
    for record in records {
        assert_eq!(get(&*store, TENANT, &(record.id.clone(), record.seq)).await, Some(record));
    }
}

/// Absent is neither empty nor zero.
pub async fn absent_values_round_trip(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let absent = Sample::new("absent", 1);
    let empty = Sample {
        maybe: Some(0),
        name: Some(String::new()),
        share: Some(0.0),
        open: Some(false),
        until: Some(Time(0)),
        result: Some(Json(String::new())),
        ..Sample::new("empty", 1)
    };
    store.write(write(&made, 0, 1, [absent.clone(), empty.clone()])).await.unwrap();
    assert_eq!(get(&*store, TENANT, &key("absent")).await, Some(absent));
    assert_eq!(get(&*store, TENANT, &key("empty")).await, Some(empty));
}
