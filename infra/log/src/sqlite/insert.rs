//! Records into the table of a partition, several per statement.

use crate::Record;
use rusqlite::Connection;

/// Rows per statement, the greatest first. A statement with more rows opens the tree once for all of them.
const SIZES: [usize; 3] = [64, 8, 1];
const COLUMNS: usize = 5;

/// The INSERT statements of one table, one for each size.
pub(super) struct Inserts([String; SIZES.len()]);

impl Inserts {
    pub(super) fn into_table(table: &str) -> Self {
        Self(SIZES.map(|size| format!("INSERT INTO {table} VALUES {}", vec!["(?,?,?,?,?)"; size].join(","))))
    }

    /// Inserts the records.
    pub(super) fn run(&self, connection: &Connection, records: &[Record]) -> rusqlite::Result<()> {
        let mut rest = records;
        for (size, statement) in SIZES.iter().zip(&self.0) {
            if rest.len() < *size {
                continue;
            }
            let mut insert = connection.prepare_cached(statement)?;
            while let Some((rows, others)) = rest.split_at_checked(*size) {
                for (row, record) in rows.iter().enumerate() {
                    let first = row * COLUMNS + 1;
                    insert.raw_bind_parameter(first, record.offset.cast_signed())?;
                    insert.raw_bind_parameter(first + 1, record.time)?;
                    insert.raw_bind_parameter(first + 2, &record.key[..])?;
                    insert.raw_bind_parameter(first + 3, &record.envelope[..])?;
                    insert.raw_bind_parameter(first + 4, &record.payload[..])?;
                }
                insert.raw_execute()?;
                rest = others;
            }
        }
        Ok(())
    }
}
