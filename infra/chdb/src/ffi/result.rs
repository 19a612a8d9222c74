//! Results.

use super::symbols::{Opaque, Symbols};
use crate::ChdbError;
use bytes::Bytes;
use std::{ffi::CStr, ptr::NonNull, sync::Arc};

/// A `chdb_result`, which does not depend on the connection that made it.
pub(super) struct RawResult {
    pub(super) symbols: Arc<Symbols>,
    pub(super) pointer: NonNull<Opaque>,
}

impl RawResult {
    /// Takes ownership of what a function answered.
    pub(super) fn new(symbols: &Arc<Symbols>, pointer: *mut Opaque) -> Result<Self, ChdbError> {
        match NonNull::new(pointer) {
            Some(pointer) => Ok(Self { symbols: symbols.clone(), pointer }),
            None => Err(ChdbError::statement("the engine gave no result".to_owned())),
        }
    }

    /// The error it carries, if any.
    pub(super) fn check(self) -> Result<Self, ChdbError> {
        // SAFETY: the pointer is a live result; the text is its own and lives as long.
        let error = unsafe { (self.symbols.result_error)(self.pointer.as_ptr()) };
        match text(error) {
            None => Ok(self),
            Some(message) => Err(ChdbError::statement(message)),
        }
    }

    /// A copy of its bytes: a result must not outlive the engine, bytes may.
    pub(super) fn bytes(&self) -> Bytes {
        // SAFETY: the pointer is a live result.
        let (buffer, length) =
            unsafe { ((self.symbols.result_buffer)(self.pointer.as_ptr()), (self.symbols.result_length)(self.pointer.as_ptr())) };
        if buffer.is_null() || length == 0 {
            return Bytes::new();
        }
        // SAFETY: the buffer holds `length` bytes, which nobody changes while the result lives.
        Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(buffer, length) })
    }

    /// How many rows a statement wrote.
    pub(super) fn rows_written(&self) -> u64 {
        // SAFETY: the pointer is a live result.
        unsafe { (self.symbols.result_rows_written)(self.pointer.as_ptr()) }
    }
}

impl Drop for RawResult {
    fn drop(&mut self) {
        // SAFETY: this value owns the result, and nothing uses it afterwards.
        unsafe { (self.symbols.destroy_result)(self.pointer.as_ptr()) }
    }
}

/// A copy of a C text, `None` if there is none.
pub(super) fn text(pointer: *const std::ffi::c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the engine's texts end with a zero byte and live as long as their owner, which the caller holds.
    let text = unsafe { CStr::from_ptr(pointer) }.to_string_lossy();
    (!text.is_empty()).then(|| text.into_owned())
}
