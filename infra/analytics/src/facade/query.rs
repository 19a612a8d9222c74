//! Statements that answer.

use super::{Failure, Parameters, body, body::Statement, format, output, output::Piece};
use crate::{
    caller::{Caller, Work},
    session::{Rights, Sessions},
    tables,
};
use axum::{body::Body, extract::Request, http::header::CONTENT_TYPE, response::Response};
use bytes::Bytes;
use chdb::Connection;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How many pieces of output wait for the client.
const WAITING: usize = 4;

pub(super) async fn answer(
    sessions: &Arc<Sessions>,
    rights: Rights,
    mut parameters: Parameters,
    request: Request,
) -> Result<Response, Failure> {
    let mut statement = body::read(request, &mut parameters).await?;
    let format = format(&mut statement, parameters.default_format.take());
    if rights == Rights::Stranger {
        is_open(&parameters, &format)?;
    }
    let turn = sessions.turn(rights).await?;
    let work = Work::new();
    // It lives as long as somebody waits for the answer, first here and then in the body.
    let caller = Caller::of(&work, sessions);
    let (pieces, mut output) = mpsc::channel::<Piece>(WAITING);
    tokio::task::spawn_blocking({
        let (sessions, format) = (sessions.clone(), format.clone());
        move || {
            let _turn = turn;
            let done = open(&sessions, rights, &work, &parameters, statement).and_then(|(mut session, statement)| {
                output::run(&mut session, &statement.text, &format, &statement.values, &pieces)
            });
            if let Err(failure) = done {
                // Nobody listens any more if this fails.
                output::send(&pieces, Err(failure));
            }
        }
    });
    // The first piece decides about the status.
    let first = output.recv().await.transpose()?;
    let tag = uuid::Uuid::new_v4().simple().to_string()[..16].to_owned();
    let head = Response::builder()
        .header(CONTENT_TYPE, format::content_type(&format))
        .header("X-ClickHouse-Format", format)
        .header("X-ClickHouse-Exception-Tag", &tag);
    let body = futures::stream::unfold((first, output, tag, caller), |(first, mut output, tag, caller)| async move {
        let piece = match first {
            Some(piece) => piece,
            None => output.recv().await?.unwrap_or_else(|failure| exception(&failure, &tag)),
        };
        Some((Ok::<_, std::convert::Infallible>(piece), (None, output, tag, caller)))
    });
    head.body(Body::from_stream(body)).map_err(|error| Failure::bad(error.to_string()))
}

/// The format of the answer: what the statement ends with, which is cut off, else what the URL names.
fn format(statement: &mut Statement, default: Option<String>) -> String {
    let Some((text, named)) = format::split(&statement.text) else { return default.unwrap_or_else(|| "TabSeparated".to_owned()) };
    let named = named.to_owned();
    statement.text.truncate(text.len());
    named
}

/// Refuses what a stranger may not ask for beside his statement.
fn is_open(parameters: &Parameters, format: &str) -> Result<(), Failure> {
    if !format::is_open(format) {
        return Err(Failure::refused(format!("the format {format} is not open to this user")));
    }
    match &parameters.database {
        Some(database) if database != tables::DATABASE => {
            Err(Failure::refused(format!("the database {database} is not open to this user, {} is", tables::DATABASE)))
        }
        _ => Ok(()),
    }
}

/// A session, and the statement that may be run in it.
fn open(
    sessions: &Sessions,
    rights: Rights,
    work: &Work,
    parameters: &Parameters,
    mut statement: Statement,
) -> Result<(Connection, Statement), Failure> {
    match rights {
        Rights::Trusted => {
            let session = sessions.trusted(work, parameters.database.as_deref(), &parameters.settings)?;
            let statements = session.classify(&statement.text)?.statements;
            if statements > 1 {
                return Err(Failure::bad(format!("one statement at a time: these are {statements}")));
            }
            if carries_rows(&statement.text) {
                let way = "INSERT INTO t (columns) FORMAT name, in the URL";
                return Err(Failure::bad(format!("rows go into the body of an insert ({way}), never into its text")));
            }
            Ok((session, statement))
        }
        Rights::Stranger => {
            // He has the mode that reads only, which is stricter than the one he may ask for.
            let has = |(name, value): &&(String, String)| name == "readonly" && value != "0";
            let differ: Vec<_> = parameters.settings.iter().filter(|setting| !has(setting)).cloned().collect();
            let session = sessions.stranger(work, &differ)?;
            statement.text = sessions.gate.pass(&session, &statement.text)?;
            Ok((session, statement))
        }
    }
}

/// Whether a statement is an insert with its rows in the text: the engine takes what follows a blank line for SQL.
fn carries_rows(statement: &str) -> bool {
    let mut words = statement.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.next().is_some_and(|word| word.eq_ignore_ascii_case("INSERT")) && !words.any(|word| word.eq_ignore_ascii_case("SELECT"))
}

/// The block that ends a broken body, see `WriteBufferFromHTTPServerResponse.cpp` in ClickHouse.
fn exception(failure: &Failure, tag: &str) -> Bytes {
    let message = failure.message().trim_end();
    let length = message.len() + 1;
    format!("\r\n__exception__\r\n{tag}\r\n{message}\n{length} {tag}\r\n__exception__\r\n").into()
}
