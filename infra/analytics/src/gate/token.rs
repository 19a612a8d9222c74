//! The words of a statement that the engine's formatter wrote: no comments, one way to quote, keywords in capitals.

use crate::AnalyticsError;

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A bare word: a keyword, a function, a table, a column or an alias.
    Word(&'a str),
    /// A name in backquotes or double quotes, without them.
    Quoted(&'a str),
    /// A text, without its quotes.
    Text(&'a str),
    /// A number.
    Number,
    /// Anything else, one character.
    Sign(char),
}

/// Cuts a statement into tokens.
pub(super) fn tokens(sql: &str) -> Result<Vec<Token<'_>>, AnalyticsError> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            c if c.is_ascii_whitespace() => (None, 1),
            '\'' => {
                let end = quoted_end(rest, b'\'')?;
                (Some(Token::Text(&rest[1..end - 1])), end)
            }
            '`' | '"' => {
                let end = quoted_end(rest, first as u8)?;
                (Some(Token::Quoted(&rest[1..end - 1])), end)
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                (Some(Token::Word(&rest[..end])), end)
            }
            c if c.is_ascii_digit() => {
                let end = number_end(rest.as_bytes());
                (Some(Token::Number), end)
            }
            '(' | ')' | '[' | ']' | ',' | '.' | '+' | '-' | '*' | '/' | '%' | '=' | '<' | '>' | '!' | ':' | '|' | '^' => {
                (Some(Token::Sign(first)), 1)
            }
            other => return Err(AnalyticsError::Refused(format!("the character {other:?} is not allowed outside of texts"))),
        };
        if rest.starts_with("--") || rest.starts_with("/*") {
            return Err(AnalyticsError::Refused("comments are not allowed here".to_owned()));
        }
        tokens.extend(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Where a quoted piece ends, after its closing quote.
fn quoted_end(rest: &str, quote: u8) -> Result<usize, AnalyticsError> {
    let bytes = rest.as_bytes();
    let mut place = 1;
    while let Some(&byte) = bytes.get(place) {
        if byte == b'\\' || (byte == quote && bytes.get(place + 1) == Some(&quote)) {
            place += 2;
        } else if byte == quote {
            return Ok(place + 1);
        } else {
            place += 1;
        }
    }
    Err(AnalyticsError::Refused("a quote is not closed".to_owned()))
}

/// Where a number ends: digits, a fraction, an exponent, or the digits of another base.
fn number_end(bytes: &[u8]) -> usize {
    let mut place = 1;
    while let Some(&byte) = bytes.get(place) {
        let exponent_sign = matches!(byte, b'+' | b'-') && matches!(bytes[place - 1], b'e' | b'E') && !bytes.starts_with(b"0x");
        if !(byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_' || exponent_sign) {
            break;
        }
        place += 1;
    }
    place
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn texts_end_where_the_engine_ends_them() {
        let all = tokens(r"SELECT 'it\'s', 'a\\', `b\`c`, x1 + 1.5e-3").unwrap();
        let expected = [
            Token::Word("SELECT"),
            Token::Text(r"it\'s"),
            Token::Sign(','),
            Token::Text(r"a\\"),
            Token::Sign(','),
            Token::Quoted(r"b\`c"),
            Token::Sign(','),
            Token::Word("x1"),
            Token::Sign('+'),
            Token::Number,
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn what_a_formatted_statement_never_holds_is_refused() {
        for sql in
            ["SELECT 1 -- x", "SELECT /* x */ 1", "SELECT 1; SELECT 2", "SELECT 'open", "SELECT {a:String}", "SELECT @@x", "é"]
        {
            assert!(tokens(sql).is_err(), "{sql}");
        }
    }
}
