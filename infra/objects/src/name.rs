//! Names of objects: segments of `[A-Za-z0-9._=-]` joined by `/`, so that a name can never leave its directory and
//! means the same in a directory and in a bucket.

use crate::ObjectError;
use object_store::path::Path;

/// The longest name in bytes.
pub const MAX_NAME_BYTES: usize = 512;

/// The longest segment of a name in bytes: a file name, with room for the mark of an unfinished file.
pub const MAX_SEGMENT_BYTES: usize = 200;

/// The store's form of an object's name.
pub(crate) fn name(text: &str) -> Result<Path, ObjectError> {
    match fault(text) {
        None => Path::parse(text).map_err(|error| ObjectError::Invalid(format!("{}: {error}", excerpt(text)))),
        Some(why) => Err(ObjectError::Invalid(format!("{}: {why}", excerpt(text)))),
    }
}

/// The store's form of a prefix: whole segments, none for everything; a slash at the end changes nothing.
pub(crate) fn prefix(text: &str) -> Result<Option<Path>, ObjectError> {
    match text.strip_suffix('/').unwrap_or(text) {
        "" => Ok(None),
        segments => name(segments).map(Some),
    }
}

/// What is wrong with a name.
pub(crate) fn fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("a name must not be empty".to_owned());
    }
    if text.len() > MAX_NAME_BYTES {
        return Some(format!("a name has at most {MAX_NAME_BYTES} bytes, this one has {}", text.len()));
    }
    text.split('/').find_map(segment_fault)
}

fn segment_fault(segment: &str) -> Option<String> {
    if segment.is_empty() {
        return Some("a segment between slashes must not be empty".to_owned());
    }
    if segment.len() > MAX_SEGMENT_BYTES {
        return Some(format!("a segment has at most {MAX_SEGMENT_BYTES} bytes, one has {}", segment.len()));
    }
    if segment.bytes().all(|b| b == b'.') {
        return Some(format!("a segment must not be {segment:?}"));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'=' | b'-');
    if !segment.bytes().all(allowed) {
        return Some("a segment has letters, digits and . _ = - only".to_owned());
    }
    None
}

/// Enough of a name to know it again in a log, with nothing that could break a line.
fn excerpt(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}
