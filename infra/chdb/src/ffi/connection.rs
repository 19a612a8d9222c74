//! Connections.

use super::{
    Analysis, RawInsert, RawQuery, StatementClass,
    result::RawResult,
    symbols::{Opaque, RawAnalysis, Symbols},
};
use crate::ChdbError;
use bytes::Bytes;
use std::{
    ffi::{CString, c_char, c_int},
    ptr::{self, NonNull},
    sync::Arc,
};

/// An open connection: a session of its own, one statement at a time.
pub(crate) struct RawConnection {
    symbols: Arc<Symbols>,
    /// What `chdb_connect` gave, and `chdb_close_conn` wants back.
    handle: NonNull<*mut Opaque>,
}

// SAFETY: the engine runs statements on threads of its own and binds nothing to the thread of its caller. The type is
// not Sync, so two threads never use one connection at the same time.
unsafe impl Send for RawConnection {}

impl Symbols {
    /// Keeps the engine from changing signal handlers. To be called before the first connection.
    pub(crate) fn leave_signals_alone(&self) {
        // SAFETY: the function takes any number and may be called at any time.
        unsafe { (self.set_signal_handlers_enabled)(0) }
    }

    /// Stops the engine's threads; false if a connection is open or a thread does not stop.
    pub(crate) fn stop(&self) -> bool {
        // SAFETY: may be called from any thread; it refuses while a connection is open.
        unsafe { (self.shutdown)() == 0 }
    }

    /// Opens a connection; `None` if the engine does not give one, the reason of which it does not tell.
    pub(crate) fn open(self: &Arc<Self>, arguments: &[CString]) -> Option<RawConnection> {
        let mut pointers: Vec<*mut c_char> = arguments.iter().map(|a| a.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(pointers.len()).ok()?;
        // SAFETY: `count` pointers to texts that end with a zero byte and live until the call returns; the engine
        // copies them and does not write to them.
        let handle = unsafe { (self.connect)(count, pointers.as_mut_ptr()) };
        NonNull::new(handle).map(|handle| RawConnection { symbols: self.clone(), handle })
    }
}

impl RawConnection {
    /// Runs a statement and gives its whole output.
    pub(crate) fn query(&self, sql: &str, format: &str, parameters: &[(&str, &str)]) -> Result<Bytes, ChdbError> {
        let parameters = Parameters::new(parameters);
        // SAFETY: the connection is open; each text comes with its length and lives until the call returns.
        let result = unsafe { parameters.call(self.symbols.query, self.pointer(), sql, format) };
        Ok(RawResult::new(&self.symbols, result)?.check()?.bytes())
    }

    /// Starts a statement whose output comes in pieces.
    pub(crate) fn stream(&mut self, sql: &str, format: &str, parameters: &[(&str, &str)]) -> Result<RawQuery<'_>, ChdbError> {
        let parameters = Parameters::new(parameters);
        // SAFETY: as in `query`; parameters are bound before the call returns.
        let result = unsafe { parameters.call(self.symbols.stream_query, self.pointer(), sql, format) };
        let result = RawResult::new(&self.symbols, result)?.check()?;
        Ok(RawQuery::new(self, result))
    }

    /// Starts an insert.
    pub(crate) fn insert(&mut self, statement: &str, format: &str) -> Result<RawInsert<'_>, ChdbError> {
        // SAFETY: the connection is open; each text comes with its length and lives until the call returns.
        let pointer = unsafe {
            (self.symbols.insert)(
                self.pointer(),
                statement.as_ptr().cast(),
                statement.len(),
                format.as_ptr().cast(),
                format.len(),
            )
        };
        RawInsert::new(self.symbols.clone(), pointer)
    }

    /// Asks the parser what a text would do.
    pub(crate) fn classify(&self, sql: &str) -> Result<Analysis, ChdbError> {
        let mut analysis = RawAnalysis { struct_size: size_of::<RawAnalysis>() as u32, ..RawAnalysis::default() };
        // SAFETY: the connection is open; the text comes with its length; no database is named; the report has the
        // size it says.
        let state =
            unsafe { (self.symbols.classify)(self.pointer(), sql.as_ptr().cast(), sql.len(), ptr::null(), 0, &mut analysis) };
        if state != 0 {
            return Err(ChdbError::statement("the engine does not classify statements on this connection".to_owned()));
        }
        let class = match analysis.query_class {
            0 => StatementClass::ReadOnly,
            1 => StatementClass::Mutating,
            2 => StatementClass::MutatingGlobal,
            3 => StatementClass::Control,
            _ => StatementClass::Unknown,
        };
        Ok(Analysis { statements: analysis.statement_count, class })
    }

    pub(super) fn symbols(&self) -> &Arc<Symbols> {
        &self.symbols
    }

    pub(super) fn pointer(&self) -> *mut Opaque {
        // SAFETY: the handle points to the connection's pointer until `chdb_close_conn`, which only drop calls.
        unsafe { *self.handle.as_ptr() }
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        // SAFETY: this value owns the handle; streams borrow the connection, so none is open.
        unsafe { (self.symbols.close)(self.handle.as_ptr()) }
    }
}

/// Named parameters in the shape that the C interface wants.
struct Parameters<'a> {
    names: Vec<*const c_char>,
    name_lengths: Vec<usize>,
    values: Vec<*const c_char>,
    value_lengths: Vec<usize>,
    _texts: std::marker::PhantomData<&'a str>,
}

impl<'a> Parameters<'a> {
    fn new(parameters: &[(&'a str, &'a str)]) -> Self {
        Self {
            names: parameters.iter().map(|(name, _)| name.as_ptr().cast()).collect(),
            name_lengths: parameters.iter().map(|(name, _)| name.len()).collect(),
            values: parameters.iter().map(|(_, value)| value.as_ptr().cast()).collect(),
            value_lengths: parameters.iter().map(|(_, value)| value.len()).collect(),
            _texts: std::marker::PhantomData,
        }
    }

    /// Calls a function with the parameters.
    ///
    /// # Safety
    /// `connection` must be open.
    unsafe fn call(&self, function: super::symbols::QueryFn, connection: *mut Opaque, sql: &str, format: &str) -> *mut Opaque {
        // SAFETY: the caller vouches for the connection. Four arrays of equally many elements; each text comes with
        // its length and outlives the call.
        unsafe {
            function(
                connection,
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                self.names.as_ptr(),
                self.name_lengths.as_ptr(),
                self.values.as_ptr(),
                self.value_lengths.as_ptr(),
                self.names.len(),
            )
        }
    }
}
