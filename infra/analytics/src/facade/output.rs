//! The output of a statement, in pieces where its format allows it.

use super::Failure;
use bytes::{Buf, Bytes};
use chdb::{ChdbError, Connection};
use std::time::Duration;
use tokio::{runtime::Handle, sync::mpsc};

/// How long the caller may take nothing of what he asked for.
const STALLED: Duration = Duration::from_secs(60);
/// The format that starts with names and types of its columns.
const WITH_HEADER: &str = "RowBinaryWithNamesAndTypes";
/// Formats of which any number of documents in a row are one document.
const IN_PIECES: [&str; 6] = ["RowBinary", "Native", "JSONEachRow", "TabSeparated", "TSV", "CSV"];

/// A piece of output, or why there is no more.
pub(super) type Piece = Result<Bytes, Failure>;

/// Runs a statement and sends its output; ends early when nobody listens. To be called on a thread of its own.
pub(super) fn run(
    session: &mut Connection,
    statement: &str,
    format: &str,
    values: &[(String, String)],
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), Failure> {
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if !(streams(statement) && (format == WITH_HEADER || IN_PIECES.contains(&format))) {
        send(pieces, Ok(session.query_with(statement, format, &values)?));
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
        if !piece.is_empty() && !send(pieces, Ok(piece)) {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends a piece, and says whether somebody takes it.
pub(super) fn send(pieces: &mpsc::Sender<Piece>, piece: Piece) -> bool {
    Handle::current().block_on(pieces.send_timeout(piece, STALLED)).is_ok()
}

/// Whether the engine gives the output of a statement in pieces, which it does of a query, and whether it is in the
/// format that was asked for: a statement may hide another before its settings.
fn streams(statement: &str) -> bool {
    let mut words = statement.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.next().is_some_and(|word| word.eq_ignore_ascii_case("SELECT") || word.eq_ignore_ascii_case("WITH"))
        && !words.any(|word| word.eq_ignore_ascii_case("FORMAT"))
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
