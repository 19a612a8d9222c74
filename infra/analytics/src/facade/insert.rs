//! Inserts: rows flow from the body to the engine, piece by piece, and are committed at the end of the body only.

use super::{Failure, Parameters, frames::Frames};
use crate::session::Sessions;
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
/// How long a failed insert is read to its end.
const DRAIN: Duration = Duration::from_secs(5);
/// How many pieces wait for the engine.
const WAITING: usize = 4;

enum Piece {
    Rows(Bytes),
    /// The body came to its end; without this the insert is cancelled.
    End,
}

pub(super) async fn answer(sessions: Arc<Sessions>, parameters: Parameters, body: Body) -> Result<Response, Failure> {
    let statement = parameters.query.as_deref().unwrap_or_default();
    let (statement, format) = split_format(statement)
        .ok_or_else(|| Failure::bad("an insert is `INSERT INTO t (columns) FORMAT name` with its rows in the body"))?;
    let (statement, format) = (statement.to_owned(), format.to_owned());
    let (database, settings) = (parameters.database, parameters.settings);
    let turn = sessions.trusted_turn().await?;
    let (pieces, mut incoming) = mpsc::channel(WAITING);
    let work = tokio::task::spawn_blocking(move || -> Result<(), Failure> {
        let _turn = turn;
        let mut session = sessions.trusted(database.as_deref(), &settings)?;
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
    let fed = feed(&mut body, parameters.decompress, &pieces).await;
    drop(pieces);
    let done = work.await.map_err(|panic| Failure::panicked(&panic))?;
    if fed.is_err() || done.is_err() {
        drain(body).await;
    }
    // What the body did wrong says more than that the insert was cancelled for it.
    fed.and(done)?;
    Ok(().into_response())
}

/// Sends the body on. A closed channel is no failure here: the engine's own is answered.
async fn feed(body: &mut Body, compressed: bool, pieces: &mpsc::Sender<Piece>) -> Result<(), Failure> {
    let mut frames = Frames::default();
    loop {
        let frame = tokio::time::timeout(PIECE, body.frame())
            .await
            .map_err(|_| Failure::aborted(format!("no rows came for {} s", PIECE.as_secs())))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Failure::aborted(format!("the rows broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if !compressed {
            if pieces.send(Piece::Rows(data)).await.is_err() {
                return Ok(());
            }
            continue;
        }
        frames.push(&data);
        while let Some(rows) = frames.next_frame()? {
            if pieces.send(Piece::Rows(rows)).await.is_err() {
                return Ok(());
            }
        }
    }
    frames.finish()?;
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

/// Cuts ` FORMAT name` off the end of an insert.
fn split_format(statement: &str) -> Option<(&str, &str)> {
    let statement = statement.trim_end();
    let (rest, format) = statement.rsplit_once(char::is_whitespace)?;
    let rest = rest.trim_end();
    let place = rest.len().checked_sub("FORMAT".len())?;
    let (insert, word) = rest.split_at_checked(place)?;
    let is_name = format.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (word.eq_ignore_ascii_case("FORMAT") && is_name && insert.trim_start().get(..6)?.eq_ignore_ascii_case("INSERT"))
        .then_some((insert, format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_cut_off_and_nothing_but_an_insert_is_taken() {
        assert_eq!(split_format("INSERT INTO t(`a`) FORMAT RowBinary"), Some(("INSERT INTO t(`a`) ", "RowBinary")));
        assert_eq!(split_format("SELECT 1 FORMAT CSV"), None);
        assert_eq!(split_format("INSERT INTO t VALUES (1)"), None);
    }
}
