//! The consistency token: how far a partition had come when a command was answered.

use std::{collections::BTreeMap, fmt, str::FromStr};
use uuid::Uuid;

/// Positions per (context, partition) in one timeline; a query that carries it sees at least that much.
///
/// Text form: `<timeline>` and, for each partition, `~<context>.<partition>.<position>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyToken {
    /// The log that the positions belong to.
    pub timeline: Uuid,
    /// Position per context and partition.
    pub positions: BTreeMap<(String, u32), u64>,
}

/// A token that nobody issued.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a consistency token: {0:?}; send back what X-Consistency-Token of an answer said")]
pub struct TokenError(pub String);

impl ConsistencyToken {
    /// A token with one position.
    pub fn at(timeline: Uuid, context: &str, partition: u32, position: u64) -> Self {
        Self { timeline, positions: BTreeMap::from([((context.to_owned(), partition), position)]) }
    }
}

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timeline.simple())?;
        for ((context, partition), position) in &self.positions {
            write!(f, "~{context}.{partition}.{position}")?;
        }
        Ok(())
    }
}

impl FromStr for ConsistencyToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let bad = || TokenError(text.chars().take(80).collect());
        if text.len() > 1024 {
            return Err(bad());
        }
        let mut parts = text.split('~');
        let timeline = parts.next().and_then(|t| Uuid::try_parse(t).ok()).ok_or_else(bad)?;
        let mut positions = BTreeMap::new();
        for part in parts {
            let mut fields = part.split('.');
            let (Some(context), Some(partition), Some(position), None) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                return Err(bad());
            };
            let (Ok(partition), Ok(position)) = (partition.parse(), position.parse()) else { return Err(bad()) };
            positions.insert((context.to_owned(), partition), position);
        }
        Ok(Self { timeline, positions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_form() {
        let token = ConsistencyToken::at(Uuid::from_u128(7), "work", 3, 17);
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "x", "00000000000000000000000000000007~work.3", "00000000000000000000000000000007~work.3.-1"] {
            assert!(text.parse::<ConsistencyToken>().is_err(), "{text}");
        }
    }
}
