//! What the README tells people to type, so that it is what is tested.

use anyhow::{Context, Result};

const README: &str = include_str!("../../../README.md");

/// The command for kcat, with `BROKER` to be replaced.
pub fn kcat() -> Result<&'static str> {
    README.lines().find_map(|line| line.strip_prefix("$ ").filter(|line| line.starts_with("kcat "))).context("README: no kcat")
}

/// The statements for ClickHouse, with `BROKER`, `GATEWAY` and `TOKEN` to be replaced.
pub fn clickhouse() -> Result<impl Iterator<Item = &'static str>> {
    let (_, rest) = README.split_once("```sql\n").context("README: no SQL")?;
    let (statements, _) = rest.split_once("```").context("README: SQL without end")?;
    Ok(statements.split(';').map(str::trim).filter(|statement| !statement.is_empty()))
}
