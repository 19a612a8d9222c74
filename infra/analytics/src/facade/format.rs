//! Formats of answers: where a statement names one, and what their media types are.

/// Cuts ` FORMAT name` off the end of a statement.
pub(super) fn split(statement: &str) -> Option<(&str, &str)> {
    let statement = statement.trim_end().trim_end_matches(';').trim_end();
    let (rest, format) = statement.rsplit_once(char::is_whitespace)?;
    let rest = rest.trim_end();
    let (statement, word) = rest.split_at_checked(rest.len().checked_sub("FORMAT".len())?)?;
    let is_word = statement.ends_with(|c: char| c.is_whitespace() || c == ')');
    let is_name = !format.is_empty() && format.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (word.eq_ignore_ascii_case("FORMAT") && is_word && is_name).then_some((statement, format))
}

/// Formats that strangers may ask for: they need nothing but the rows.
const OPEN: [&str; 24] = [
    "CSV",
    "CSVWithNames",
    "CSVWithNamesAndTypes",
    "JSON",
    "JSONColumns",
    "JSONColumnsWithMetadata",
    "JSONCompact",
    "JSONCompactColumns",
    "JSONCompactEachRow",
    "JSONEachRow",
    "Markdown",
    "Native",
    "NDJSON",
    "Parquet",
    "PrettyCompact",
    "PrettyCompactMonoBlock",
    "RowBinary",
    "RowBinaryWithNames",
    "RowBinaryWithNamesAndTypes",
    "TSV",
    "TabSeparated",
    "TabSeparatedWithNames",
    "TabSeparatedWithNamesAndTypes",
    "Vertical",
];

/// Whether strangers may ask for a format.
pub(super) fn is_open(format: &str) -> bool {
    OPEN.contains(&format)
}

/// The media type of a format, as ClickHouse names it.
pub(super) fn content_type(format: &str) -> &'static str {
    match format {
        "JSONEachRow" | "NDJSON" | "JSONLines" | "JSONCompactEachRow" => "application/x-ndjson; charset=UTF-8",
        format if format.starts_with("JSON") => "application/json; charset=UTF-8",
        "TSV" | "TSVRaw" => "text/tab-separated-values; charset=UTF-8",
        format if format.starts_with("TabSeparated") => "text/tab-separated-values; charset=UTF-8",
        format if format.starts_with("CSV") => "text/csv; charset=UTF-8; header=present",
        "Native" | "Parquet" => "application/octet-stream",
        format if format.starts_with("RowBinary") => "application/octet-stream",
        _ => "text/plain; charset=UTF-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_format_at_the_end_is_cut_off() {
        assert_eq!(split("SELECT 1 FORMAT JSON"), Some(("SELECT 1 ", "JSON")));
        assert_eq!(split("SELECT (1)\nformat\tCSV ;\n"), Some(("SELECT (1)\n", "CSV")));
        for sql in
            ["SELECT 1", "SELECT 1 FORMAT JSON SETTINGS a = 1", "FORMAT JSON", "SELECT xFORMAT JSON", "SELECT 'FORMAT x'", ""]
        {
            assert_eq!(split(sql), None, "{sql}");
        }
    }
}
