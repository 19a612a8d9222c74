//! Stored rows against folded ones, page by page.

use crate::{
    code::Code,
    error::{VerifyError, within},
    finding::{Difference, Finding, Findings, Place},
    fresh::{Expected, Row},
};
use jiff::Timestamp;
use schemas::row::{Table, Value};
use std::fmt::Write;
use stores::Snapshot;

/// Rows of a page.
const PAGE: usize = 4_096;
/// Characters of a value that are shown.
const SHOWN: usize = 200;

/// The stored side.
pub(crate) struct Stored {
    pub snapshot: Box<dyn Snapshot>,
    pub table: Table,
    /// The log no longer has all that the rows were made from.
    pub is_truncated: bool,
}

/// What was gone through.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Stored rows.
    pub rows: u64,
    /// Those of them that cannot be judged.
    pub unjudged: u64,
}

impl Stored {
    /// Finds rows that are missing, too many or different.
    pub(crate) async fn compare(
        mut self,
        mut expected: Expected,
        part: &str,
        findings: &mut Findings,
        seen: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Counts, VerifyError> {
        let mut counts = Counts::default();
        loop {
            let page = within("reading stored rows", self.snapshot.rows(PAGE)).await?;
            if page.is_empty() {
                break;
            }
            counts.rows += page.len() as u64;
            seen(page.len() as u64);
            let keys: Vec<Row> = page.iter().map(|row| self.key(row)).collect();
            for ((stored, folded), key) in page.iter().zip(expected.take(&keys).await?).zip(&keys) {
                let code = match &folded {
                    Some(folded) if folded == stored => continue,
                    // Without the oldest records nobody can tell what such a row should be.
                    _ if self.is_truncated => {
                        counts.unjudged += 1;
                        continue;
                    }
                    Some(_) => Code::RowDiffers,
                    None => Code::RowExtra,
                };
                if findings.count(part, code) {
                    findings.list(self.finding(part, key, folded.as_ref(), Some(stored)));
                }
            }
        }
        let mut rest = expected.rest().await?;
        loop {
            let page = rest.next(PAGE).await?;
            if page.is_empty() {
                return Ok(counts);
            }
            let keys: Vec<Row> = page.iter().map(|row| self.key(row)).collect();
            let stored = within("looking up stored rows", self.snapshot.load(&keys)).await?;
            for ((folded, key), _) in page.iter().zip(&keys).zip(stored).filter(|(_, stored)| stored.is_none()) {
                if findings.count(part, Code::RowMissing) {
                    findings.list(self.finding(part, key, Some(folded), None));
                }
            }
        }
    }

    /// The key of a row, the tenant first.
    fn key(&self, row: &[Value]) -> Row {
        row.get(..=self.table.key).unwrap_or(row).to_vec()
    }

    fn finding(&self, part: &str, key: &[Value], folded: Option<&Row>, stored: Option<&Row>) -> Finding {
        let place = Place::part(part).key(key.iter().map(show).collect::<Vec<_>>().join("/"));
        match (folded, stored) {
            (Some(folded), Some(stored)) => {
                let columns = std::iter::once("tenant").chain(self.table.columns.iter().map(|column| column.name));
                let pairs = columns.zip(folded.iter().zip(stored)).filter(|(_, (folded, stored))| folded != stored);
                let columns = pairs.map(|(column, (folded, stored))| Difference {
                    column: column.to_owned(),
                    expected: show(folded),
                    stored: show(stored),
                });
                let finding = Finding::new(Code::RowDiffers, place, "the folded row", "another row");
                Finding { columns: columns.collect(), ..finding }
            }
            (Some(folded), None) => Finding::new(Code::RowMissing, place, self.whole(folded), "no row"),
            (None, stored) => {
                Finding::new(Code::RowExtra, place, "no row", stored.map(|row| self.whole(row)).unwrap_or_default())
            }
        }
    }

    /// A row without tenant and key.
    fn whole(&self, row: &[Value]) -> String {
        let columns = self.table.columns.iter().zip(row.iter().skip(1)).skip(self.table.key);
        columns.map(|(column, value)| format!("{}={}", column.name, show(value))).collect::<Vec<_>>().join(" ")
    }
}

/// A value for people: text as it is, times as RFC 3339, bytes in hexadecimal; long ones are cut.
fn show(value: &Value) -> String {
    let text = match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) | Value::Json(text) => text.clone(),
        Value::I64(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Time(micros) => Timestamp::from_microsecond(*micros).map_or_else(|_| format!("{micros} µs"), |at| at.to_string()),
        Value::Bytes(bytes) => bytes.iter().take(SHOWN).fold(String::from("0x"), |mut text, byte| {
            // Writing into a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        }),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
