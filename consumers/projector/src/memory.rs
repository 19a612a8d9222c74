//! Rows that this task wrote itself, so that catching up does not ask the store for them.
//!
//! While a generation is far behind, most of the time would go into loading rows: those that are not there yet, and
//! those that were written a moment ago. Its only owner knows both. A row is handed out once and comes back with the
//! write; whatever is not known for certain is loaded. Bounded in rows and keys; forgotten at the end of the log, where
//! batches are small, and whenever what is stored is no longer what this task wrote.

use schemas::row::Value;
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

type Row = Vec<Value>;
type Key = Box<[u8]>;

/// Rows kept in each of two ages.
const ROWS: usize = 32_768;
/// Keys counted; beyond that all are loaded.
const KEYS: usize = 4_000_000;

pub(crate) struct Memory {
    is_on: bool,
    /// Every key that may be stored, by hash; nothing if rows were there before this task.
    stored: Option<HashSet<u64>>,
    young: HashMap<Key, Option<Row>>,
    old: HashMap<Key, Option<Row>>,
    hasher: RandomState,
    /// Bound of each age.
    rows: usize,
    /// What was written last and is not taken over yet: that is work for a moment when nobody waits.
    lesson: Lesson,
}

/// What is to be remembered once it is written.
#[derive(Default)]
pub(crate) struct Lesson(Vec<(Key, Option<Row>)>);

impl Memory {
    /// Of a table; `is_empty` if it has no rows yet.
    pub fn new(is_empty: bool) -> Self {
        let stored = is_empty.then(HashSet::new);
        let (young, old, lesson) = (HashMap::new(), HashMap::new(), Lesson::default());
        Self { is_on: true, stored, young, old, hasher: RandomState::new(), rows: ROWS, lesson }
    }

    /// Knows nothing and learns nothing.
    pub fn off() -> Self {
        Self { is_on: false, ..Self::new(false) }
    }

    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Takes note of what was written.
    pub fn remember(&mut self, lesson: Lesson) {
        self.learn();
        self.lesson = lesson;
    }

    /// Hands out what it knows of the rows called `keys`; `None` for one that has to be loaded.
    pub fn recall(&mut self, keys: &[Row]) -> Vec<Option<Option<Row>>> {
        if !self.is_on {
            return vec![None; keys.len()];
        }
        self.learn();
        keys.iter().map(|key| self.take(key)).collect()
    }

    fn take(&mut self, key: &[Value]) -> Option<Option<Row>> {
        let key = encoded(key);
        if let Some(row) = self.young.remove(&key) {
            self.old.remove(&key);
            return Some(row);
        }
        if let Some(row) = self.old.remove(&key) {
            return Some(row);
        }
        let absent = self.stored.as_ref().is_some_and(|stored| !stored.contains(&self.hasher.hash_one(&key)));
        absent.then_some(None)
    }

    fn learn(&mut self) {
        for (key, row) in std::mem::take(&mut self.lesson).0 {
            if let Some(stored) = &mut self.stored {
                stored.insert(self.hasher.hash_one(&key));
            }
            if self.young.len() >= self.rows {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key, row);
        }
        if self.stored.as_ref().is_some_and(|stored| stored.len() > KEYS) {
            self.stored = None;
        }
    }
}

impl Lesson {
    /// From rows and keys as they are written; `key` columns after the tenant are the key.
    pub fn of(upserts: &[Row], deletes: &[Row], key: usize) -> Self {
        let kept = upserts.iter().map(|row| (encoded(row.get(..=key).unwrap_or(row)), Some(row.clone())));
        Self(kept.chain(deletes.iter().map(|key| (encoded(key), None))).collect())
    }
}

/// Different keys have different bytes.
fn encoded(key: &[Value]) -> Key {
    let mut bytes = Vec::with_capacity(64);
    for value in key {
        match value {
            Value::Null => bytes.push(0),
            Value::Text(text) => counted(&mut bytes, 1, text.as_bytes()),
            Value::I64(number) => fixed(&mut bytes, 2, number.to_be_bytes()),
            Value::F64(number) => fixed(&mut bytes, 3, number.to_be_bytes()),
            Value::Bool(truth) => fixed(&mut bytes, 4, [u8::from(*truth)]),
            Value::Time(micros) => fixed(&mut bytes, 5, micros.to_be_bytes()),
            Value::Json(text) => counted(&mut bytes, 6, text.as_bytes()),
            Value::Bytes(raw) => counted(&mut bytes, 7, raw),
        }
    }
    bytes.into()
}

fn fixed<const N: usize>(bytes: &mut Vec<u8>, tag: u8, content: [u8; N]) {
    bytes.push(tag);
    bytes.extend_from_slice(&content);
}

fn counted(bytes: &mut Vec<u8>, tag: u8, content: &[u8]) {
    fixed(bytes, tag, (content.len() as u64).to_be_bytes());
    bytes.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(word: &str) -> Value {
        Value::Text(word.to_owned())
    }

    fn key(word: &str) -> Row {
        vec![text("t"), text(word)]
    }

    fn row(word: &str, n: i64) -> Row {
        vec![text("t"), text(word), Value::I64(n)]
    }

    fn recalled(memory: &mut Memory, key: &Row) -> Option<Option<Row>> {
        memory.recall(std::slice::from_ref(key)).remove(0)
    }

    #[test]
    fn what_was_never_written_to_an_empty_table_is_absent_and_of_any_other_table_unknown() {
        assert_eq!(recalled(&mut Memory::new(true), &key("a")), Some(None));
        assert_eq!(recalled(&mut Memory::new(false), &key("a")), None);
        assert_eq!((recalled(&mut Memory::off(), &key("a")), Memory::off().is_on()), (None, false));
    }

    #[test]
    fn a_row_is_handed_out_once_and_known_again_when_it_was_written() {
        let mut memory = Memory::new(true);
        memory.remember(Lesson::of(&[row("a", 1)], &[], 1));
        assert_eq!(recalled(&mut memory, &key("a")), Some(Some(row("a", 1))));
        assert_eq!(recalled(&mut memory, &key("a")), None, "it may have been changed since");
        memory.remember(Lesson::of(&[row("a", 2)], &[key("b")], 1));
        assert_eq!((recalled(&mut memory, &key("a")), recalled(&mut memory, &key("b"))), (Some(Some(row("a", 2))), Some(None)));
    }

    #[test]
    fn rows_beyond_the_bound_are_forgotten_but_their_keys_are_not() {
        let mut memory = Memory { rows: 2, ..Memory::new(true) };
        for (n, word) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            memory.remember(Lesson::of(&[row(word, n as i64)], &[], 1));
        }
        assert_eq!(recalled(&mut memory, &key("a")), None);
        assert_eq!(
            (recalled(&mut memory, &key("d")), recalled(&mut memory, &key("e"))),
            (Some(Some(row("d", 3))), Some(Some(row("e", 4))))
        );
        assert_eq!(recalled(&mut memory, &key("z")), Some(None));
    }

    #[test]
    fn an_older_copy_of_a_row_never_comes_back() {
        let mut memory = Memory { rows: 1, ..Memory::new(true) };
        memory.remember(Lesson::of(&[row("a", 1)], &[], 1));
        memory.remember(Lesson::of(&[row("a", 2)], &[], 1));
        assert_eq!(recalled(&mut memory, &key("a")), Some(Some(row("a", 2))));
        assert_eq!(recalled(&mut memory, &key("a")), None);
    }

    #[test]
    fn keys_whose_parts_run_together_are_different() {
        assert_ne!(encoded(&[text("ab"), text("c")]), encoded(&[text("a"), text("bc")]));
        assert_ne!(encoded(&[Value::I64(1)]), encoded(&[Value::Time(1)]));
    }
}
