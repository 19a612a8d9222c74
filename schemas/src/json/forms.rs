//! What texts look like.

/// Whether it is a name: 1 to 128 characters of `[A-Za-z0-9._-]`, neither `.` nor `..`.
pub fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&text.len()) && text != "." && text != ".." && text.bytes().all(allowed)
}

/// Whether it is 64 lower-case hexadecimal digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The shape of RFC 3339; the numbers are checked afterwards. Other forms of ISO 8601 are not taken.
pub fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let is = |place: usize, byte: u8| bytes.get(place) == Some(&byte);
    let date = digits(0..4) && is(4, b'-') && digits(5..7) && is(7, b'-') && digits(8..10) && (is(10, b'T') || is(10, b't'));
    let time = digits(11..13) && is(13, b':') && digits(14..16) && is(16, b':') && digits(17..19);
    let rest = bytes.get(19..).unwrap_or_default();
    let fraction = if rest.first() == Some(&b'.') { 1 + rest[1..].iter().take_while(|b| b.is_ascii_digit()).count() } else { 0 };
    let offset = match &rest[fraction..] {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].into_iter().all(u8::is_ascii_digit),
        _ => false,
    };
    date && time && fraction != 1 && offset
}
