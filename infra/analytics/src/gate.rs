//! The gate before user SQL.
//!
//! What enters is a statement of a stranger; what leaves is the engine's own normal form of it, which is then run, so
//! that what was checked is what runs. It passes if the engine's parser says that it is one statement that only reads,
//! and if every function, table and word in it is on the lists of [`allowed`]. Names that users give (aliases, columns)
//! are free, except those of engine functions that are not allowed: such a name can be called without parentheses.
//!
//! The gate is one of two walls: the session behind it has a role that may read two tables, and is read-only.

pub(crate) mod allowed;
mod token;

use crate::AnalyticsError;
use allowed::{FORBIDDEN, TABLE_FUNCTIONS, TABLES, is_function, is_keyword};
use chdb::{Connection, StatementClass};
use std::collections::HashSet;
use token::{Token, tokens};

/// The longest statement, in bytes.
pub(crate) const MAX_STATEMENT_BYTES: usize = 64 << 10;

/// What the gate knows of the engine.
pub(crate) struct Gate {
    /// The database that statements may name.
    database: &'static str,
    /// Functions of the engine that are not allowed, in lower case.
    denied: HashSet<String>,
    /// Other databases, in lower case.
    foreign: HashSet<String>,
}

impl Gate {
    /// Asks the engine for the names of its functions and databases.
    pub(crate) fn new(engine: &Connection, database: &'static str) -> Result<Self, chdb::ChdbError> {
        let lines = |sql| -> Result<Vec<String>, chdb::ChdbError> {
            let answer = engine.query(sql, "TabSeparatedRaw")?;
            Ok(String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect())
        };
        let functions = lines("SELECT name FROM system.functions")?;
        let databases = lines("SELECT name FROM system.databases")?;
        Ok(Self {
            database,
            denied: functions.iter().filter(|name| !is_function(name)).map(|name| name.to_ascii_lowercase()).collect(),
            foreign: databases.iter().filter(|name| *name != database).map(|name| name.to_ascii_lowercase()).collect(),
        })
    }

    /// Lets a statement pass, in normal form, or says why not.
    pub(crate) fn pass(&self, engine: &Connection, statement: &str) -> Result<String, AnalyticsError> {
        if statement.len() > MAX_STATEMENT_BYTES {
            return Err(AnalyticsError::Refused(format!("a statement may have {MAX_STATEMENT_BYTES} bytes")));
        }
        if statement.contains('\0') {
            return Err(AnalyticsError::Refused("a statement may not contain U+0000".to_owned()));
        }
        let analysis = engine.classify(statement)?;
        match (analysis.statements, analysis.class) {
            (0, _) | (_, StatementClass::Unknown) => {}
            (1, StatementClass::ReadOnly) => {}
            (1, _) => return Err(AnalyticsError::Refused("only statements that read are allowed: SELECT or WITH".to_owned())),
            (n, _) => return Err(AnalyticsError::Refused(format!("one statement at a time, please: these are {n}"))),
        }
        // What does not parse gets its message, with line and column, from here.
        let normal =
            engine.query_with("SELECT formatQuerySingleLine({q:String})", "TabSeparatedRaw", &[("q", &escape(statement))])?;
        let normal = String::from_utf8_lossy(&normal).trim_end_matches('\n').to_owned();
        if analysis.class != StatementClass::ReadOnly {
            return Err(AnalyticsError::Refused("only statements that read are allowed: SELECT or WITH".to_owned()));
        }
        self.check(&normal)?;
        Ok(normal)
    }

    /// Checks a statement in normal form.
    fn check(&self, normal: &str) -> Result<(), AnalyticsError> {
        let tokens = tokens(normal)?;
        let mut walk = Walk { gate: self, ctes: ctes(&tokens), frames: vec![Frame::default()], tokens: &tokens };
        let start = tokens.iter().find(|token| **token != Token::Sign('('));
        if !matches!(start, Some(Token::Word("SELECT" | "WITH"))) {
            return Err(AnalyticsError::Refused("only SELECT and WITH are allowed".to_owned()));
        }
        let mut place = 0;
        while place < tokens.len() {
            place += walk.step(place)?;
        }
        Ok(())
    }
}

/// Names of common table expressions: `name AS (SELECT`.
fn ctes<'a>(tokens: &[Token<'a>]) -> HashSet<&'a str> {
    let named = tokens.windows(4).filter_map(|window| match window {
        [Token::Word(name), Token::Word("AS"), Token::Sign('('), Token::Word("SELECT" | "WITH")] => Some(*name),
        [Token::Word(name), Token::Word("AS"), Token::Sign('('), Token::Sign('(')] => Some(*name),
        _ => None,
    });
    named.collect()
}

/// What stands between two parentheses.
#[derive(Default)]
struct Frame {
    /// Whether a comma is followed by a table.
    tables: bool,
    /// Whether a table must follow.
    expects_table: bool,
    /// Whether a query must follow.
    expects_query: bool,
}

struct Walk<'a> {
    gate: &'a Gate,
    ctes: HashSet<&'a str>,
    frames: Vec<Frame>,
    tokens: &'a [Token<'a>],
}

impl<'a> Walk<'a> {
    /// Checks the token at `place` and says how many were taken.
    fn step(&mut self, place: usize) -> Result<usize, AnalyticsError> {
        let frame = self.frame()?;
        if std::mem::take(&mut frame.expects_table) {
            return self.table(place);
        }
        let expects_query = std::mem::take(&mut frame.expects_query);
        let token = &self.tokens[place];
        if expects_query && !matches!(token, Token::Word("SELECT" | "WITH") | Token::Sign('(')) {
            return Err(refused_table(token));
        }
        match token {
            Token::Sign('(') => self.frames.push(Frame { expects_query, ..Frame::default() }),
            Token::Sign(')') => drop(self.frames.pop()),
            Token::Sign(',') => {
                let frame = self.frame()?;
                frame.expects_table = frame.tables;
            }
            // An aggregation's state in a text form is fed to code that expects it to be well formed.
            Token::Text(text) if text.to_ascii_lowercase().contains("aggregatefunction") => {
                return Err(AnalyticsError::Refused("states of aggregate functions are not allowed".to_owned()));
            }
            Token::Sign(_) | Token::Number | Token::Text(_) => {}
            Token::Quoted(name) => {
                if self.follows(place, 1) == Some(&Token::Sign('(')) {
                    return Err(AnalyticsError::Refused(format!("{name:?} is not a function that is allowed here")));
                }
                self.name(place, name)?;
            }
            Token::Word(word) => self.word(place, word)?,
        }
        Ok(1)
    }

    fn word(&mut self, place: usize, word: &str) -> Result<(), AnalyticsError> {
        let call = self.follows(place, 1) == Some(&Token::Sign('('));
        let before = self.before(place, 1);
        if FORBIDDEN.contains(&word) && !(call && is_function(word)) {
            return Err(AnalyticsError::Refused(format!("{word} is not allowed: leave it out, and quote no name like it")));
        }
        // What follows AS is a name, whatever it looks like.
        let alias = before == Some("AS");
        if !alias && is_keyword(word) {
            self.keyword(place, word);
            return Ok(());
        }
        if !call {
            return self.name(place, word);
        }
        if is_function(word) { Ok(()) } else { Err(AnalyticsError::Refused(format!("the function {word} is not allowed here"))) }
    }

    /// Follows the grammar as far as needed to know where a table stands.
    fn keyword(&mut self, place: usize, word: &str) {
        let (before, second) = (self.before(place, 1), self.before(place, 2));
        let Some(frame) = self.frames.last_mut() else { return };
        match word {
            // `WITH FILL FROM 1 TO 2` and `a IS DISTINCT FROM b`.
            "FROM" if before == Some("FILL") && second == Some("WITH") => {}
            "FROM" if before == Some("DISTINCT") && matches!(second, Some("IS" | "NOT")) => {}
            "FROM" => *frame = Frame { tables: true, expects_table: true, expects_query: false },
            "JOIN" if before == Some("ARRAY") && second != Some("AS") => frame.tables = false,
            "JOIN" => *frame = Frame { tables: true, expects_table: true, expects_query: false },
            "SELECT" | "WHERE" | "PREWHERE" | "GROUP" | "HAVING" | "ORDER" | "LIMIT" | "WINDOW" | "QUALIFY" => {
                frame.tables = false
            }
            _ => {}
        }
    }

    /// A name that a user gave, or a column.
    fn name(&self, place: usize, name: &str) -> Result<(), AnalyticsError> {
        let lower = name.to_ascii_lowercase();
        if self.gate.denied.contains(&lower) {
            return Err(AnalyticsError::Refused(format!(
                "{name} is a function that is not allowed here, so nothing can bear its name"
            )));
        }
        if self.follows(place, 1) == Some(&Token::Sign('.')) && self.gate.foreign.contains(&lower) {
            return Err(AnalyticsError::Refused(format!("the database {name} is not open to statements")));
        }
        Ok(())
    }

    /// A table where one must stand.
    fn table(&mut self, place: usize) -> Result<usize, AnalyticsError> {
        let token = &self.tokens[place];
        let Token::Word(word) = token else {
            if *token == Token::Sign('(') {
                self.frames.push(Frame { expects_query: true, ..Frame::default() });
                return Ok(1);
            }
            return Err(refused_table(token));
        };
        let next = self.follows(place, 1);
        if next == Some(&Token::Sign('(')) {
            return if TABLE_FUNCTIONS.contains(word) { Ok(1) } else { Err(refused_table(token)) };
        }
        if next == Some(&Token::Sign('.')) {
            return match self.follows(place, 2) {
                Some(Token::Word(table)) if *word == self.gate.database && TABLES.contains(table) => Ok(3),
                _ => Err(refused_table(token)),
            };
        }
        if TABLES.contains(word) || self.ctes.contains(word) { Ok(1) } else { Err(refused_table(token)) }
    }

    fn frame(&mut self) -> Result<&mut Frame, AnalyticsError> {
        self.frames.last_mut().ok_or_else(|| AnalyticsError::Refused("parentheses do not match".to_owned()))
    }

    fn follows(&self, place: usize, by: usize) -> Option<&'a Token<'a>> {
        self.tokens.get(place + by)
    }

    fn before(&self, place: usize, by: usize) -> Option<&'a str> {
        match self.tokens.get(place.checked_sub(by)?)? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }
}

fn refused_table(token: &Token<'_>) -> AnalyticsError {
    let name = match token {
        Token::Word(name) | Token::Quoted(name) | Token::Text(name) => name,
        _ => "this",
    };
    AnalyticsError::Refused(format!("{name:?} is not a table that is open to statements: there are {}", TABLES.join(" and ")))
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
mod tests {
    use super::*;

    fn gate() -> Gate {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Gate { database: "swarmlog", denied: set(&["file", "sleep"]), foreign: set(&["system"]) }
    }

    #[test]
    fn tables_are_checked_wherever_one_can_stand() {
        for sql in [
            "SELECT * FROM events, parked",
            "SELECT * FROM events AS a INNER JOIN events AS b ON a.x = b.x, parked",
            "SELECT * FROM (SELECT 1) AS a, parked",
            "SELECT * FROM (parked)",
            "SELECT 1 AS FILL FROM parked",
            "SELECT 1 AS DISTINCT FROM parked",
            "SELECT * FROM events AS ARRAY JOIN parked",
            "SELECT * FROM `events`",
            "SELECT * FROM 'x.csv'",
            "SELECT * FROM events.parked",
            "SELECT 1 IN (system.users)",
            "WITH a AS (SELECT 1) SELECT * FROM a.b",
        ] {
            assert!(gate().check(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn ordinary_statements_pass() {
        for sql in [
            "SELECT * FROM events, run_metrics AS m",
            "SELECT * FROM swarmlog.events",
            "SELECT a, b FROM events ARRAY JOIN c, d",
            "SELECT a FROM events ORDER BY a ASC WITH FILL FROM 1 TO 10",
            "SELECT a IS DISTINCT FROM b FROM events",
            "WITH a AS (SELECT 1 AS n) SELECT n FROM a",
            "SELECT countIf(x = 1), sumOrNullIf(x, y) FROM events",
            "SELECT 'file(' AS x, `my name` FROM events",
        ] {
            assert!(gate().check(sql).is_ok(), "{sql}: {:?}", gate().check(sql));
        }
    }
}
