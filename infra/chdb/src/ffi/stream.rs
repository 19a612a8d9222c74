//! Output and input in pieces.

use super::{
    RawConnection,
    result::{RawResult, text},
    symbols::{Opaque, Symbols},
};
use crate::ChdbError;
use bytes::Bytes;
use std::{marker::PhantomData, ptr::NonNull, sync::Arc};

/// A statement whose output comes in pieces.
pub(crate) struct RawQuery<'a> {
    connection: &'a mut RawConnection,
    result: RawResult,
    ended: bool,
}

impl<'a> RawQuery<'a> {
    pub(super) fn new(connection: &'a mut RawConnection, result: RawResult) -> Self {
        Self { connection, result, ended: false }
    }

    /// The next piece, `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, ChdbError> {
        if self.ended {
            return Ok(None);
        }
        // SAFETY: the connection is open and borrowed by this value alone; the stream is live.
        let piece = unsafe { (self.connection.symbols().stream_fetch)(self.connection.pointer(), self.result.pointer.as_ptr()) };
        let piece = RawResult::new(self.connection.symbols(), piece).and_then(RawResult::check);
        self.ended = piece.is_err();
        let bytes = piece?.bytes();
        self.ended = bytes.is_empty();
        Ok((!self.ended).then_some(bytes))
    }
}

impl Drop for RawQuery<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: both are live; the result itself is freed by its own drop afterwards.
            unsafe {
                (self.connection.symbols().stream_cancel)(self.connection.pointer(), self.result.pointer.as_ptr());
            }
        }
    }
}

/// An insert whose rows come in pieces.
pub(crate) struct RawInsert<'a> {
    symbols: Arc<Symbols>,
    pointer: NonNull<Opaque>,
    _connection: PhantomData<&'a mut RawConnection>,
}

impl RawInsert<'_> {
    pub(super) fn new(symbols: Arc<Symbols>, pointer: *mut Opaque) -> Result<Self, ChdbError> {
        let pointer = NonNull::new(pointer).ok_or_else(|| ChdbError::statement("the engine gave no insert stream".to_owned()))?;
        let insert = Self { symbols, pointer, _connection: PhantomData };
        match insert.error() {
            None => Ok(insert),
            Some(message) => Err(ChdbError::statement(message)),
        }
    }

    /// Sends a piece; waits while the engine is behind.
    pub(crate) fn append(&mut self, piece: &[u8]) -> Result<(), ChdbError> {
        // SAFETY: the stream is live; the engine copies `piece.len()` bytes before it returns.
        let state = unsafe { (self.symbols.insert_append)(self.pointer.as_ptr(), piece.as_ptr().cast(), piece.len()) };
        if state == 0 {
            return Ok(());
        }
        Err(ChdbError::statement(self.error().unwrap_or_else(|| "the insert was ended before".to_owned())))
    }

    /// Commits and says how many rows were written.
    pub(crate) fn finish(self) -> Result<u64, ChdbError> {
        // SAFETY: the stream is live; drop frees it afterwards.
        let result = unsafe { (self.symbols.insert_done)(self.pointer.as_ptr()) };
        Ok(RawResult::new(&self.symbols, result)?.check()?.rows_written())
    }

    fn error(&self) -> Option<String> {
        // SAFETY: the stream is live; the text is its own.
        text(unsafe { (self.symbols.insert_error)(self.pointer.as_ptr()) })
    }
}

impl Drop for RawInsert<'_> {
    fn drop(&mut self) {
        // SAFETY: this value owns the stream; an unfinished one is cancelled by the engine first.
        unsafe { (self.symbols.insert_destroy)(self.pointer.as_ptr()) }
    }
}
