//! Waits for a position.

use super::{BOUND, Fixture, sample::*};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Without a wait, even one of no length.
pub async fn what_is_reached_is_answered_at_once(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    store.write(write(&made, 0, 5, [Sample::new("x", 1)])).await.unwrap();
    let reached = |position| store.reached("samples", TOPIC, 0, position, Duration::ZERO);
    assert!(reached(0).await.unwrap() && reached(4).await.unwrap() && reached(5).await.unwrap());
    assert!(!reached(6).await.unwrap());
    assert!(!store.reached("samples", TOPIC, 1, 1, Duration::ZERO).await.unwrap(), "another partition");
    assert!(!store.reached("samples", "org.events", 0, 1, Duration::ZERO).await.unwrap(), "another topic");
}

/// Every one of those who wait.
pub async fn a_wait_ends_when_the_position_comes(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let waits: Vec<_> = (1..=20)
        .map(|position| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let reached = store.reached("samples", TOPIC, 0, position, BOUND).await.unwrap();
                (reached, get::<Sample>(&*store, TENANT, &key("x")).await.map(|row| row.rank))
            })
        })
        .collect();
    for to in 1..=20 {
        let rank = i64::try_from(to).unwrap();
        store.write(write(&made, to - 1, to, [Sample::new("x", rank)])).await.unwrap();
        tokio::task::yield_now().await;
    }
    for (place, wait) in waits.into_iter().enumerate() {
        let (reached, rank) = wait.await.unwrap();
        assert!(reached);
        assert!(rank.unwrap() > i64::try_from(place).unwrap(), "what was waited for is seen");
    }
}

/// And says so.
pub async fn a_wait_ends_when_its_time_is_over(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    store.write(write::<Sample>(&made, 0, 5, [])).await.unwrap();
    let begun = Instant::now();
    let wait = Duration::from_millis(400);
    assert!(!tokio::time::timeout(BOUND, store.reached("samples", TOPIC, 0, 6, wait)).await.unwrap().unwrap());
    assert!(begun.elapsed() >= wait);
}

/// The live generation is meant, whichever it is.
pub async fn a_wait_follows_a_switch(fixture: impl Fixture) {
    let store = fixture.store();
    let first = live::<Sample>(&*store).await;
    store.write(write::<Sample>(&first, 0, 5, [])).await.unwrap();
    let second = generation::<Sample>(&*store).await;
    store.write(write::<Sample>(&second, 0, 9, [])).await.unwrap();
    assert!(!store.reached("samples", TOPIC, 0, 9, Duration::ZERO).await.unwrap());
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.reached("samples", TOPIC, 0, 9, BOUND).await.unwrap() }
    });
    tokio::task::yield_now().await;
    store.switch(second.id, "").await.unwrap();
    assert!(waiting.await.unwrap());
}
