//! A great many marks, brought into order with little memory.
//!
//! Whether an aggregate's numbers are contiguous, an id comes twice, or a command has its answer are questions about
//! records that lie anywhere in the log. Each record leaves a mark of 32 bytes; sorted, what belongs together lies
//! together. A full buffer is sorted and written to a temporary file; in the end all are merged. So memory is one
//! buffer, and exactness is not traded for it: the only doubt is a collision of 128 bits of SHA-256.

use sha2::{Digest, Sha256};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
};

/// Marks of a buffer: 32 MiB.
const BUFFER: usize = 1 << 20;
const BYTES: usize = 32;

/// What a record says about something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// What it is about.
    pub what: u128,
    /// Its place among the marks about the same.
    pub order: u64,
    pub says: u64,
}

/// The first 16 bytes of the SHA-256 of the parts, whose lengths keep them apart.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    u128::from_be_bytes(hash.finalize().first_chunk().copied().unwrap_or_default())
}

/// Marks as they come.
pub(crate) struct Marks {
    buffer: Vec<Mark>,
    capacity: usize,
    runs: Vec<File>,
}

/// Marks in order, which can be gone through more than once.
pub(crate) struct Sorted {
    buffer: Vec<Mark>,
    runs: Vec<File>,
}

impl Default for Marks {
    fn default() -> Self {
        Self::with_capacity(BUFFER)
    }
}

impl Marks {
    fn with_capacity(capacity: usize) -> Self {
        Self { buffer: Vec::new(), capacity, runs: Vec::new() }
    }

    pub(crate) fn push(&mut self, mark: Mark) -> io::Result<()> {
        self.buffer.push(mark);
        if self.buffer.len() < self.capacity {
            return Ok(());
        }
        self.buffer.sort_unstable();
        let mut run = BufWriter::new(tempfile::tempfile()?);
        for Mark { what, order, says } in self.buffer.drain(..) {
            run.write_all(&what.to_le_bytes())?;
            run.write_all(&order.to_le_bytes())?;
            run.write_all(&says.to_le_bytes())?;
        }
        self.runs.push(run.into_inner().map_err(io::IntoInnerError::into_error)?);
        Ok(())
    }

    pub(crate) fn sorted(mut self) -> Sorted {
        self.buffer.sort_unstable();
        Sorted { buffer: self.buffer, runs: self.runs }
    }
}

impl Sorted {
    /// Shows every mark in order.
    pub(crate) fn each(&mut self, mut see: impl FnMut(Mark)) -> io::Result<()> {
        let mut runs = Vec::with_capacity(self.runs.len());
        for run in &mut self.runs {
            run.rewind()?;
            runs.push(BufReader::new(run));
        }
        let mut first = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            first.extend(next(run)?.map(|mark| Reverse((mark, number))));
        }
        let mut rest = self.buffer.iter().copied().peekable();
        while let Some(mut smallest) = first.peek_mut() {
            let Reverse((mark, number)) = *smallest;
            while let Some(earlier) = rest.next_if(|held| *held < mark) {
                see(earlier);
            }
            see(mark);
            let run = runs.get_mut(number).map(next).transpose()?;
            match run.flatten() {
                Some(following) => *smallest = Reverse((following, number)),
                None => drop(PeekMut::pop(smallest)),
            }
        }
        rest.for_each(see);
        Ok(())
    }
}

fn next(run: &mut impl Read) -> io::Result<Option<Mark>> {
    let mut bytes = [0; BYTES];
    match run.read_exact(&mut bytes) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (what, rest) = bytes.split_at(16);
    let (order, says) = rest.split_at(8);
    let number = |bytes: &[u8]| bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
    let what = what.first_chunk().copied().map_or(0, u128::from_le_bytes);
    Ok(Some(Mark { what, order: number(order), says: number(says) }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn marks_come_in_order_however_many_runs_there_are_and_more_than_once() {
        let marks: Vec<Mark> = (0..1000_u64).map(|n| Mark { what: u128::from(n * 7919 % 97), order: n, says: n * n }).collect();
        let mut expected = marks.clone();
        expected.sort_unstable();
        for capacity in [1, 7, 100, 999, 1000, 1001] {
            let mut sorter = Marks::with_capacity(capacity);
            marks.iter().for_each(|mark| sorter.push(*mark).unwrap());
            let mut sorted = sorter.sorted();
            for _ in 0..2 {
                let mut seen = Vec::new();
                sorted.each(|mark| seen.push(mark)).unwrap();
                assert_eq!(seen, expected, "a buffer of {capacity}");
            }
        }
    }

    #[test]
    fn parts_that_run_together_have_different_fingerprints() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    }
}
