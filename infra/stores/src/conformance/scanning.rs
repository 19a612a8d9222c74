//! Checksums of generations, which are compared before a switch.

use super::{Fixture, sample::*};
use crate::{Scan, Write, row_hash};

/// Not on the order of writes, not on what was there in between.
pub async fn a_checksum_depends_on_the_rows_alone(fixture: impl Fixture) {
    let store = fixture.store();
    let (first, second) = (generation::<Sample>(&*store).await, generation::<Sample>(&*store).await);
    let rows: Vec<Sample> =
        (0..500).map(|n| Sample { maybe: (n % 3 == 0).then_some(n), ..Sample::new(format!("{n}"), n) }).collect();
    assert_eq!(store.scan(first.id).await.unwrap(), Scan { rows: 0, checksum: 0 });
    store.write(write(&first, 0, 1, rows.clone())).await.unwrap();
    for (place, row) in rows.iter().rev().enumerate() {
        let from = place as u64 * 2;
        let before = Sample { rank: -1, name: Some("before".into()), ..row.clone() };
        let passing = Sample::new("passing", 1);
        let delete = Write {
            deletes: vec![full_key::<Sample>(TENANT, &key("passing"))],
            ..write(&second, from + 1, from + 2, [row.clone()])
        };
        store.write(write(&second, from, from + 1, [before, passing])).await.unwrap();
        store.write(delete).await.unwrap();
    }
    let scan = store.scan(first.id).await.unwrap();
    assert_eq!(store.scan(second.id).await.unwrap(), scan);
    let sum = rows.into_iter().map(|row| row_hash(&full(TENANT, row))).fold(0, u128::wrapping_add);
    assert_eq!(scan, Scan { rows: 500, checksum: sum }, "every store sums the same hashes");
}

/// Of any row, in any column, of any tenant.
pub async fn a_checksum_differs_if_one_value_does(fixture: impl Fixture) {
    let store = fixture.store();
    let mut scans = Vec::new();
    let row = || Sample::new("x", 1);
    let variants = [
        ("default", row()),
        ("other", row()),
        ("default", Sample { rank: 2, ..row() }),
        ("default", Sample { weight: 0.25, ..row() }),
        ("default", Sample { done: true, ..row() }),
        ("default", Sample { maybe: Some(0), ..row() }),
        ("default", Sample { name: Some(String::new()), ..row() }),
        ("default", Sample { result: Some(schemas::row::Json(String::new())), ..row() }),
        ("default", Sample { group: "{}".into(), config: schemas::row::Json("a".into()), ..row() }),
    ];
    for (tenant, variant) in variants {
        let made = generation::<Sample>(&*store).await;
        let mut one = write(&made, 0, 1, [Sample::new("same", 1)]);
        one.upserts.push(full(tenant, variant));
        store.write(one).await.unwrap();
        let scan = store.scan(made.id).await.unwrap();
        assert_eq!(scan.rows, 2);
        assert!(!scans.contains(&scan.checksum));
        scans.push(scan.checksum);
    }
}
