//! The end of the process: the library's destructors must not run.
//!
//! The engine's threads outlive `main`, also those that a close leaves behind, and the destructors that the library
//! registered tear down what they use: now and then the process ends with a segmentation fault instead of its status.
//! A handler that was registered later runs earlier, so this one leaves before them.

use std::ffi::{c_int, c_void};

unsafe extern "C" {
    /// `on_exit(3)` of glibc: like `atexit`, and the handler is told the status.
    fn on_exit(handler: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    /// `_exit(2)`.
    fn _exit(status: c_int) -> !;
}

extern "C" fn leave(status: c_int, _: *mut c_void) {
    // SAFETY: it takes any status and does not return; what Rust buffers was flushed before the handlers run, and what
    // the engine acknowledged is in its files.
    unsafe { _exit(status) }
}

/// From now on the process ends without the destructors of the libraries that are loaded by now.
pub(crate) fn skip_destructors() {
    // SAFETY: the handler is a function of this program, which is never unloaded, and ignores its argument. Only a
    // lack of memory makes the call fail; then the process ends as it would have.
    unsafe { on_exit(leave, std::ptr::null_mut()) };
}
