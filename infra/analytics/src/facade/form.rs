//! Statements with parameters: `multipart/form-data` (RFC 7578), as far as the crate writes it.

use super::Failure;

/// The boundary in a content type, if it is a form.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    rest.trim().strip_prefix("boundary=").map(|boundary| boundary.trim_matches('"'))
}

/// Names and values of the fields.
pub(super) fn fields(body: &str, boundary: &str) -> Result<Vec<(String, String)>, Failure> {
    let bad = || Failure::bad("the form is malformed");
    let delimiter = format!("--{boundary}");
    let mut fields = Vec::new();
    let mut rest = body.strip_prefix(&delimiter).ok_or_else(bad)?;
    let next = format!("\r\n{delimiter}");
    while !rest.starts_with("--") {
        let part = rest.strip_prefix("\r\n").ok_or_else(bad)?;
        let (head, part) = part.split_once("\r\n\r\n").ok_or_else(bad)?;
        let (value, after) = part.split_once(&next).ok_or_else(bad)?;
        let (_, name) = head.split_once("name=\"").ok_or_else(bad)?;
        let (name, _) = name.split_once('"').ok_or_else(bad)?;
        fields.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
    Ok(fields)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_line_ends_inside() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT\r\n1\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"param_x\"\r\n\r\n\r\n--b--\r\n";
        let expected = [("query".to_owned(), "SELECT\r\n1".to_owned()), ("param_x".to_owned(), String::new())];
        assert_eq!(fields(body, boundary("multipart/form-data; boundary=b").unwrap()).unwrap(), expected);
        assert!(fields("--b\r\nbroken", "b").is_err());
        assert!(boundary("text/plain").is_none());
    }
}
