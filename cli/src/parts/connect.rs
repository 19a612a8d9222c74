//! Connecting to servers that may not be there yet: tried again until they are, with the reason in the health.

use service::{Component, Status};
use std::{fmt::Display, time::Duration};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Calls `connect` until it succeeds, or fails with what no repetition mends.
pub async fn persist<T, E: Display, F: Future<Output = Result<T, E>>>(
    component: &Component,
    what: &str,
    mends: impl Fn(&E) -> bool,
    mut connect: impl FnMut() -> F,
) -> Result<T, E> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match connect().await {
            Ok(connected) => {
                component.set(Status::Ready);
                return Ok(connected);
            }
            Err(error) if !mends(&error) => return Err(error),
            Err(error) => error,
        };
        if pause == FIRST_PAUSE {
            eprintln!("waiting for {what}: {error}");
        }
        component.set(Status::Failing(error.to_string()));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
