//! Statements that answer: their output flows in pieces where its format allows it.

use super::{Failure, Parameters, form, request};
use crate::session::Sessions;
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::header::CONTENT_TYPE,
    response::Response,
};
use bytes::{Buf, Bytes};
use chdb::{ChdbError, Connection};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// The longest statement with its parameters.
const MAX_BYTES: usize = 4 << 20;
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(30);
/// How many pieces of output wait for the client.
const WAITING: usize = 4;
/// The format that starts with names and types of its columns.
const WITH_HEADER: &str = "RowBinaryWithNamesAndTypes";
/// Formats of which any number of documents in a row are one document.
const IN_PIECES: [&str; 5] = ["RowBinary", "Native", "JSONEachRow", "TabSeparated", "CSV"];

type Piece = Result<Bytes, Failure>;

pub(super) async fn answer(sessions: Arc<Sessions>, parameters: Parameters, request: Request) -> Result<Response, Failure> {
    let (statement, values) = read(request).await?;
    let request::Parameters { database, default_format, settings, .. } = parameters;
    let format = default_format.unwrap_or_else(|| "TabSeparated".to_owned());
    let turn = sessions.trusted_turn().await?;
    let (pieces, mut output) = mpsc::channel::<Piece>(WAITING);
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let done = sessions
            .trusted(database.as_deref(), &settings)
            .map_err(Failure::from)
            .and_then(|mut session| run(&mut session, &statement, &format, &values, &pieces));
        if let Err(failure) = done {
            // Nobody listens any more if this fails.
            let _ = pieces.blocking_send(Err(failure));
        }
    });
    // The first piece decides about the status.
    let first = output.recv().await.transpose()?;
    let tag = uuid::Uuid::new_v4().simple().to_string()[..16].to_owned();
    let head = Response::builder().header("X-ClickHouse-Exception-Tag", &tag);
    let body = futures::stream::unfold((first, output, tag), |(first, mut output, tag)| async move {
        let piece = match first {
            Some(piece) => piece,
            None => output.recv().await?.unwrap_or_else(|failure| exception(&failure, &tag)),
        };
        Some((Ok::<_, std::convert::Infallible>(piece), (None, output, tag)))
    });
    head.body(Body::from_stream(body)).map_err(|error| Failure::bad(error.to_string()))
}

/// The statement and the values of its parameters.
async fn read(request: Request) -> Result<(String, Vec<(String, String)>), Failure> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(BODY, to_bytes(body, MAX_BYTES))
        .await
        .map_err(|_| Failure::aborted("the statement did not come"))?
        .map_err(|error| Failure::bad(format!("the statement cannot be read: {error}")))?;
    let body = std::str::from_utf8(&body).map_err(|_| Failure::bad("the statement is not UTF-8"))?;
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(boundary) = form::boundary(content_type) else { return Ok((body.to_owned(), Vec::new())) };
    let mut statement = None;
    let mut values = Vec::new();
    for (name, value) in form::fields(body, boundary)? {
        match name.strip_prefix("param_") {
            Some(name) => values.push((name.to_owned(), value)),
            None if name == "query" => statement = Some(value),
            None => return Err(Failure::bad(format!("the form has a field {name:?}"))),
        }
    }
    Ok((statement.ok_or_else(|| Failure::bad("the form has no query"))?, values))
}

/// Runs a statement and sends its output; ends early when nobody listens.
fn run(
    session: &mut Connection,
    statement: &str,
    format: &str,
    values: &[(String, String)],
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), Failure> {
    let analysis = session.classify(statement)?;
    if analysis.statements > 1 {
        return Err(Failure::bad(format!("one statement at a time: these are {}", analysis.statements)));
    }
    if carries_rows(statement) {
        return Err(Failure::bad("rows go into the body of an insert, never into its text"));
    }
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if !(streams(statement) && (format == WITH_HEADER || IN_PIECES.contains(&format))) {
        let whole = session.query_with(statement, format, &values)?;
        let _ = pieces.blocking_send(Ok(whole));
        return Ok(());
    }
    let mut output = session.stream(statement, format, &values)?;
    let mut header = None;
    while let Some(mut piece) = output.next_piece()? {
        if format == WITH_HEADER {
            match &header {
                None => header = Some(columns_header(&piece)?),
                Some(header) => cut(&mut piece, header),
            }
        }
        if !piece.is_empty() && pieces.blocking_send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether the engine gives the output of a statement in pieces.
fn streams(statement: &str) -> bool {
    let first = statement.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| !word.is_empty());
    first.is_some_and(|word| word.eq_ignore_ascii_case("SELECT") || word.eq_ignore_ascii_case("WITH"))
}

/// Whether a statement is an insert with its rows in the text: the engine takes what follows a blank line for SQL.
fn carries_rows(statement: &str) -> bool {
    let mut words = statement.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.next().is_some_and(|word| word.eq_ignore_ascii_case("INSERT")) && !words.any(|word| word.eq_ignore_ascii_case("SELECT"))
}

/// Every piece of the engine's starts with the header again.
fn cut(piece: &mut Bytes, header: &[u8]) {
    if piece.starts_with(header) {
        piece.advance(header.len());
    }
}

/// The header of `RowBinaryWithNamesAndTypes`: how many columns, their names, their types.
fn columns_header(piece: &Bytes) -> Result<Bytes, ChdbError> {
    let mut rest = &piece[..];
    let whole = varint(&mut rest).and_then(|columns| {
        for _ in 0..columns.checked_mul(2)? {
            let length = varint(&mut rest)?;
            rest = rest.get(length..)?;
        }
        Some(piece.slice(..piece.len() - rest.len()))
    });
    let broken = "the engine's output has no header".to_owned();
    whole.ok_or(ChdbError::Statement { code: 49, message: broken })
}

/// An unsigned LEB128 number.
fn varint(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..=56).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The block that ends a broken body, see `WriteBufferFromHTTPServerResponse.cpp` in ClickHouse.
fn exception(failure: &Failure, tag: &str) -> Bytes {
    let message = failure.message().trim_end();
    let length = message.len() + 1;
    format!("\r\n__exception__\r\n{tag}\r\n{message}\n{length} {tag}\r\n__exception__\r\n").into()
}
