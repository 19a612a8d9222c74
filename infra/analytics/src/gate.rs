//! The gate before user SQL.
//!
//! What enters is a statement of a stranger; what leaves is the engine's own normal form of it, which is then run, so
//! that what was checked is what runs. It passes if every function, table and word in its normal form is on the lists
//! of [`allowed`]. Names that users give (aliases, columns) are free, except those of engine functions that are not
//! allowed: such a name can be called without parentheses. Where the engine runs in this process its parser must say
//! as well that it is one statement that only reads; a server is not asked that, the walk alone refuses the rest.
//!
//! The gate is one of two walls: behind it stands a user or a role that may read two tables, and is read-only.

pub(crate) mod allowed;
mod token;
mod walk;

use crate::AnalyticsError;
use allowed::{TABLES, is_function};
use chdb::{ChdbError, Connection, StatementClass};
use std::collections::HashSet;

/// The longest statement, in bytes.
pub(crate) const MAX_STATEMENT_BYTES: usize = 64 << 10;

/// Answers the normal form of the text in the parameter `q`, or says with line and column why it does not parse.
pub(crate) const NORMAL_FORM: &str = "SELECT formatQuerySingleLine({q:String})";

/// Statements that answer the names a gate has to know: of functions, of databases, of the tables of one database.
pub(crate) fn name_lists(database: &str) -> [String; 3] {
    [
        "SELECT name FROM system.functions".to_owned(),
        "SELECT name FROM system.databases".to_owned(),
        format!("SELECT name FROM system.tables WHERE database = '{database}'"),
    ]
}

/// What the gate knows of the engine.
pub(crate) struct Gate {
    /// The database that statements may name.
    database: String,
    /// Functions of the engine that are not allowed, in lower case.
    denied: HashSet<String>,
    /// Other databases, in lower case.
    foreign: HashSet<String>,
    /// Tables of the database that are not open.
    closed: HashSet<String>,
}

impl Gate {
    /// A gate that knows the answers to [`name_lists`].
    pub(crate) fn knowing(database: &str, [functions, databases, tables]: [Vec<String>; 3]) -> Self {
        Self {
            database: database.to_owned(),
            denied: functions.iter().filter(|name| !is_function(name)).map(|name| name.to_ascii_lowercase()).collect(),
            foreign: databases.iter().filter(|name| *name != database).map(|name| name.to_ascii_lowercase()).collect(),
            closed: tables.into_iter().filter(|name| !TABLES.contains(&name.as_str())).collect(),
        }
    }

    /// Asks the engine in this process.
    pub(crate) fn of(engine: &Connection, database: &str) -> Result<Self, ChdbError> {
        let mut names = <[Vec<String>; 3]>::default();
        for (list, sql) in names.iter_mut().zip(name_lists(database)) {
            let answer = engine.query(&sql, "TabSeparatedRaw")?;
            *list = String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect();
        }
        Ok(Self::knowing(database, names))
    }

    /// Lets a statement pass the engine in this process, in normal form, or says why not.
    pub(crate) fn pass(&self, engine: &Connection, statement: &str) -> Result<String, AnalyticsError> {
        admissible(statement)?;
        let analysis = engine.classify(statement)?;
        match (analysis.statements, analysis.class) {
            (0, _) | (_, StatementClass::Unknown) => {}
            (1, StatementClass::ReadOnly) => {}
            (1, _) => return Err(AnalyticsError::Refused("only statements that read are allowed: SELECT or WITH".to_owned())),
            (n, _) => return Err(AnalyticsError::Refused(format!("one statement at a time, please: these are {n}"))),
        }
        let normal = engine.query_with(NORMAL_FORM, "TabSeparatedRaw", &[("q", &escape(statement))])?;
        let normal = String::from_utf8_lossy(&normal).trim_end_matches('\n').to_owned();
        if analysis.class != StatementClass::ReadOnly {
            return Err(AnalyticsError::Refused("only statements that read are allowed: SELECT or WITH".to_owned()));
        }
        self.check(&normal)?;
        Ok(normal)
    }

    /// Checks a statement in normal form.
    pub(crate) fn check(&self, normal: &str) -> Result<(), AnalyticsError> {
        walk::walk(self, normal)
    }
}

/// Refuses what no engine is asked about.
pub(crate) fn admissible(statement: &str) -> Result<(), AnalyticsError> {
    if statement.len() > MAX_STATEMENT_BYTES {
        return Err(AnalyticsError::Refused(format!("a statement may have {MAX_STATEMENT_BYTES} bytes")));
    }
    if statement.contains('\0') {
        return Err(AnalyticsError::Refused("a statement may not contain U+0000".to_owned()));
    }
    Ok(())
}

/// A value in the escaping that parameters have.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tables;

    /// The statements below a heading of the file.
    fn statements(heading: &str) -> impl Iterator<Item = &'static str> {
        let lines = include_str!("../tests/suite/hostile.sql").lines().skip_while(move |line| *line != heading);
        lines.skip(1).take_while(|line| !line.starts_with("-- ")).filter(|line| !line.is_empty())
    }

    /// On a server nobody says whether a statement only reads, so the walk has to refuse by itself.
    #[test]
    fn the_walk_alone_refuses_what_is_hostile() {
        let folder = tempfile::tempdir().unwrap();
        let engine = chdb::Engine::load(&chdb::find_library(), folder.path(), None).unwrap_or_else(|error| panic!("{error}"));
        let session = engine.connect().unwrap();
        session.query(&format!("CREATE DATABASE {}", tables::DATABASE), "TSV").unwrap();
        for table in tables::ALL {
            session.query(&table.ddl(tables::DATABASE), "TSV").unwrap();
        }
        let gate = Gate::of(&session, tables::DATABASE).unwrap();
        let normal_form = |sql: &str| -> Result<String, ChdbError> {
            let normal = session.query_with(NORMAL_FORM, "TabSeparatedRaw", &[("q", &escape(sql))])?;
            Ok(String::from_utf8_lossy(&normal).trim_end_matches('\n').to_owned())
        };
        let mut walked = 0;
        for sql in statements("-- REFUSE") {
            // What has no normal form is not run at all.
            let Ok(normal) = normal_form(sql) else { continue };
            walked += 1;
            assert!(gate.check(&normal).is_err(), "{sql}\n{normal}");
        }
        assert!(walked > 80, "only {walked} of the hostile statements have a normal form");
        for sql in statements("-- ALLOW") {
            let normal = normal_form(sql).unwrap();
            assert!(gate.check(&normal).is_ok(), "{sql}\n{normal}: {:?}", gate.check(&normal));
            // It passes a second gate, behind the network, unchanged.
            assert_eq!(normal_form(&normal).unwrap(), normal);
        }
        drop(session);
        engine.close(std::time::Duration::from_secs(20)).unwrap();
    }
}
