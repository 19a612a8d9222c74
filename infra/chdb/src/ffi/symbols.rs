//! The functions of the library.

use crate::ChdbError;
use libloading::Library;
use std::{
    ffi::{c_char, c_int, c_void},
    path::Path,
};

/// Something of the engine's that only it can look into.
#[repr(C)]
pub(super) struct Opaque {
    _private: [u8; 0],
}

/// `chdb_query_analysis_v1`.
#[repr(C)]
#[derive(Default)]
pub(super) struct RawAnalysis {
    pub(super) struct_size: u32,
    pub(super) statement_count: u32,
    pub(super) flags: u32,
    pub(super) query_class: u32,
}

/// A query with named parameters: connection, text, format, names with lengths, values with lengths, count.
pub(super) type QueryFn = unsafe extern "C" fn(
    *mut Opaque,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> *mut Opaque;

type ClassifyFn = unsafe extern "C" fn(*mut Opaque, *const c_char, usize, *const c_char, usize, *mut RawAnalysis) -> c_int;

type InsertFn = unsafe extern "C" fn(*mut Opaque, *const c_char, usize, *const c_char, usize) -> *mut Opaque;

macro_rules! symbols {
    ($($field:ident = $name:literal : $type:ty;)*) => {
        /// The functions of the library, which stays loaded until the process ends: its threads outlive any engine.
        pub(crate) struct Symbols {
            $(pub(super) $field: $type,)*
        }

        impl Symbols {
            /// Loads the library.
            pub(crate) fn load(path: &Path) -> Result<Self, ChdbError> {
                if !path.is_file() {
                    return Err(ChdbError::Missing(path.to_owned()));
                }
                let unusable = |error: libloading::Error| {
                    ChdbError::Unusable { path: path.to_owned(), reason: error.to_string() }
                };
                // SAFETY: loading runs the library's initialisers. The operator chose the file; chDB's need nothing
                // from their host.
                let library = unsafe { Library::new(path) }.map_err(unusable)?;
                let symbols = Self {
                    $(
                        // SAFETY: the type is the function's declaration in chdb.h. The pointer stays valid because
                        // the library is never unloaded, see below.
                        $field: *unsafe { library.get::<$type>($name) }.map_err(unusable)?,
                    )*
                };
                std::mem::forget(library);
                Ok(symbols)
            }
        }
    };
}

symbols! {
    set_signal_handlers_enabled = b"chdb_set_signal_handlers_enabled\0": unsafe extern "C" fn(c_int);
    connect = b"chdb_connect\0": unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut *mut Opaque;
    close = b"chdb_close_conn\0": unsafe extern "C" fn(*mut *mut Opaque);
    shutdown = b"chdb_shutdown\0": unsafe extern "C" fn() -> c_int;
    query = b"chdb_query_with_params_n\0": QueryFn;
    stream_query = b"chdb_stream_query_with_params_n\0": QueryFn;
    stream_fetch = b"chdb_stream_fetch_result\0": unsafe extern "C" fn(*mut Opaque, *mut Opaque) -> *mut Opaque;
    stream_cancel = b"chdb_stream_cancel_query\0": unsafe extern "C" fn(*mut Opaque, *mut Opaque);
    destroy_result = b"chdb_destroy_query_result\0": unsafe extern "C" fn(*mut Opaque);
    result_buffer = b"chdb_result_buffer\0": unsafe extern "C" fn(*mut Opaque) -> *const u8;
    result_length = b"chdb_result_length\0": unsafe extern "C" fn(*mut Opaque) -> usize;
    result_rows_written = b"chdb_result_rows_written\0": unsafe extern "C" fn(*mut Opaque) -> u64;
    result_error = b"chdb_result_error\0": unsafe extern "C" fn(*mut Opaque) -> *const c_char;
    insert = b"chdb_stream_insert_n\0": InsertFn;
    insert_append = b"chdb_stream_append\0": unsafe extern "C" fn(*mut Opaque, *const c_void, usize) -> c_int;
    insert_done = b"chdb_stream_done\0": unsafe extern "C" fn(*mut Opaque) -> *mut Opaque;
    insert_error = b"chdb_stream_insert_error\0": unsafe extern "C" fn(*mut Opaque) -> *const c_char;
    insert_destroy = b"chdb_destroy_insert_stream\0": unsafe extern "C" fn(*mut Opaque);
    classify = b"chdb_classify_query_n\0": ClassifyFn;
}
