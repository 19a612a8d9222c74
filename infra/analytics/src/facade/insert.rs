//! Inserts: rows flow from the body to the engine, piece by piece, and are committed at the end of the body only.

use super::{Failure, Parameters, format, frames::Frames};
use crate::{
    caller::Work,
    session::{Rights, Sessions},
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// How long the next piece may take.
const PIECE: Duration = Duration::from_secs(60);
/// How long all pieces may take.
const PIECES: Duration = Duration::from_secs(300);
/// The most bytes of an insert, without compression: it is one block, and a block lies in memory.
const MAX_BYTES: usize = 256 << 20;
/// How long a failed insert is read to its end.
const DRAIN: Duration = Duration::from_secs(5);
/// How many pieces wait for the engine.
const WAITING: usize = 4;

enum Piece {
    Rows(Bytes),
    /// The body came to its end; without this the insert is cancelled.
    End,
}

pub(super) async fn answer(
    sessions: Arc<Sessions>,
    (statement, format): (String, String),
    parameters: Parameters,
    body: Body,
) -> Result<Response, Failure> {
    let (database, settings) = (parameters.database, parameters.settings);
    let turn = sessions.turn(Rights::Trusted).await?;
    let (pieces, mut incoming) = mpsc::channel(WAITING);
    let work = tokio::task::spawn_blocking(move || -> Result<(), Failure> {
        let _turn = turn;
        let mut session = sessions.trusted(&Work::new(), database.as_deref(), &settings)?;
        let mut insert = session.insert(&statement, &format)?;
        while let Some(piece) = incoming.blocking_recv() {
            match piece {
                Piece::Rows(rows) => insert.append(&rows)?,
                Piece::End => return Ok(insert.finish().map(drop)?),
            }
        }
        Err(Failure::aborted("the rows did not come to their end"))
    });
    let mut body = body;
    let feed = feed(&mut body, parameters.decompress, &pieces);
    let fed = tokio::time::timeout(PIECES, feed).await.unwrap_or_else(|_| Err(late(PIECES)));
    drop(pieces);
    let done = work.await.map_err(|panic| Failure::panicked(&panic))?;
    if fed.is_err() || done.is_err() {
        drain(body).await;
    }
    // What the body did wrong says more than that the insert was cancelled for it.
    fed.and(done)?;
    Ok(().into_response())
}

/// What has come of the body and was not sent on.
enum Pending {
    Plain(Option<Bytes>),
    Frames(Frames),
}

impl Pending {
    fn push(&mut self, data: Bytes) {
        match self {
            Self::Plain(piece) => *piece = Some(data),
            Self::Frames(frames) => frames.push(&data),
        }
    }

    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Plain(piece) => Ok(piece.take()),
            Self::Frames(frames) => frames.next_frame(),
        }
    }

    fn finish(&self) -> Result<(), Failure> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Frames(frames) => frames.finish(),
        }
    }
}

/// Sends the body on. A closed channel is no failure here: the engine's own is answered.
async fn feed(body: &mut Body, compressed: bool, pieces: &mpsc::Sender<Piece>) -> Result<(), Failure> {
    let mut pending = if compressed { Pending::Frames(Frames::default()) } else { Pending::Plain(None) };
    let mut bytes = 0;
    loop {
        let frame = tokio::time::timeout(PIECE, body.frame()).await.map_err(|_| late(PIECE))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Failure::aborted(format!("the rows broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        pending.push(data);
        while let Some(rows) = pending.next()? {
            bytes += rows.len();
            if bytes > MAX_BYTES {
                return Err(Failure::too_large(format!("an insert may have {} MiB: send smaller ones", MAX_BYTES >> 20)));
            }
            if pieces.send(Piece::Rows(rows)).await.is_err() {
                return Ok(());
            }
        }
    }
    pending.finish()?;
    // The engine may have failed by now, which is answered.
    let _ = pieces.send(Piece::End).await;
    Ok(())
}

/// Reads what is left: a client that still writes would not read why its insert failed.
async fn drain(mut body: Body) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // A client that goes on for longer gets a broken connection instead of the reason.
    let _ = tokio::time::timeout(DRAIN, rest).await;
}

fn late(limit: Duration) -> Failure {
    Failure::aborted(format!("the rows took more than {} s", limit.as_secs()))
}

/// Statement and format of an insert whose rows are in the body.
pub(super) fn split(statement: &str) -> Option<(&str, &str)> {
    let (insert, format) = format::split(statement)?;
    insert.trim_start().get(..6)?.eq_ignore_ascii_case("INSERT").then_some((insert, format))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use futures::stream;

    #[test]
    fn nothing_but_an_insert_is_taken() {
        assert_eq!(split("INSERT INTO t(`a`) FORMAT RowBinary"), Some(("INSERT INTO t(`a`) ", "RowBinary")));
        assert_eq!(split("SELECT 1 FORMAT CSV"), None);
        assert_eq!(split("INSERT INTO t VALUES (1)"), None);
    }

    #[tokio::test]
    async fn rows_without_end_are_refused_at_a_size() {
        let piece = Bytes::from(vec![0; 32 << 20]);
        let endless = stream::repeat_with(move || Ok::<_, std::convert::Infallible>(piece.clone()));
        let (pieces, mut engine) = mpsc::channel(WAITING);
        let taken = tokio::spawn(async move {
            let mut bytes = 0;
            while let Some(Piece::Rows(rows)) = engine.recv().await {
                bytes += rows.len();
            }
            bytes
        });
        let failure = feed(&mut Body::from_stream(endless), false, &pieces).await.unwrap_err();
        assert!(failure.message().contains("Code: 307"), "{}", failure.message());
        drop(pieces);
        assert_eq!(taken.await.unwrap(), MAX_BYTES);
    }
}
