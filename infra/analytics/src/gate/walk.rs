//! Follows a statement in normal form from token to token, and refuses what is not on the lists.

use super::{
    Gate,
    allowed::{FORBIDDEN, TABLE_FUNCTIONS, TABLES, is_function, is_keyword},
    token::{Token, tokens},
};
use crate::AnalyticsError;
use std::collections::HashSet;

/// Checks a statement in normal form.
pub(super) fn walk(gate: &Gate, normal: &str) -> Result<(), AnalyticsError> {
    let tokens = tokens(normal)?;
    let start = tokens.iter().find(|token| **token != Token::Sign('('));
    if !matches!(start, Some(Token::Word("SELECT" | "WITH"))) {
        return Err(AnalyticsError::Refused("only SELECT and WITH are allowed".to_owned()));
    }
    let mut walk = Walk { gate, ctes: ctes(gate, &tokens), frames: vec![Frame::default()], tokens: &tokens };
    let mut place = 0;
    while place < tokens.len() {
        place += walk.step(place)?;
    }
    Ok(())
}

/// Names of common table expressions: `name AS (SELECT`. One that bears the name of a closed table is none: outside of
/// its scope the name would mean the table.
fn ctes<'a>(gate: &Gate, tokens: &[Token<'a>]) -> HashSet<&'a str> {
    let named = tokens.windows(4).filter_map(|window| match window {
        [Token::Word(name), Token::Word("AS"), Token::Sign('('), Token::Word("SELECT" | "WITH")] => Some(*name),
        [Token::Word(name), Token::Word("AS"), Token::Sign('('), Token::Sign('(')] => Some(*name),
        _ => None,
    });
    named.filter(|name| !gate.closed.contains(*name)).collect()
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
            if word == "IN" {
                self.membership(place)?;
            }
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

    /// `x IN (name)`: the engine takes the name for a table's where it is no column's.
    fn membership(&self, place: usize) -> Result<(), AnalyticsError> {
        let (Some(Token::Sign('(')), Some(token @ (Token::Word(name) | Token::Quoted(name)))) =
            (self.follows(place, 1), self.follows(place, 2))
        else {
            return Ok(());
        };
        match (self.follows(place, 3), self.follows(place, 4)) {
            (Some(Token::Sign(')')), _) if self.gate.closed.contains(*name) => Err(refused_table(token)),
            (Some(Token::Sign('.')), Some(Token::Word(table))) if *name == self.gate.database && TABLES.contains(table) => Ok(()),
            (Some(Token::Sign('.')), _) => Err(refused_table(token)),
            _ => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Gate {
            database: "swarmlog".to_owned(),
            denied: set(&["file", "sleep"]),
            foreign: set(&["system"]),
            closed: set(&["parked"]),
        }
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
            "SELECT 1 IN (hidden.users)",
            "SELECT 1 NOT IN (`hidden`.users)",
            "SELECT 1 IN (parked)",
            "SELECT 1 IN (`parked`)",
            "SELECT * FROM (WITH parked AS (SELECT 1) SELECT * FROM parked), parked",
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
            "SELECT a IN (events), a IN (swarmlog.events), a NOT IN (b), a IN (b, c.d), a IN (1, 2) FROM events AS c",
        ] {
            assert!(gate().check(sql).is_ok(), "{sql}: {:?}", gate().check(sql));
        }
    }
}
