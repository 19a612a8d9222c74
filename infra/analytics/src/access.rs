//! Who may do what in the engine: one user, who has no right of his own, and two roles.
//!
//! A session starts with both roles. One for strangers keeps only `analyst`: there is no way back in a statement that
//! the gate lets pass. On a server there are users in place of roles, see `infra/deploy/clickhouse-users.sql`.

use crate::{gate::allowed::TABLES, tables::DATABASE};
use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// What a statement of a stranger may use up, and what its answer looks like.
pub(crate) const LIMITS: &[(&str, &str)] = &[
    ("max_execution_time", "10"),
    ("max_result_rows", "100000"),
    ("max_result_bytes", "33554432"),
    ("max_memory_usage", "1073741824"),
    ("max_rows_to_read", "500000000"),
    ("max_rows_in_set", "10000000"),
    ("max_threads", "2"),
    ("max_ast_elements", "20000"),
    ("max_expanded_ast_elements", "200000"),
    ("max_subquery_depth", "50"),
    ("max_query_size", "131072"),
    ("result_overflow_mode", "throw"),
    ("timeout_overflow_mode", "throw"),
    ("read_overflow_mode", "throw"),
    // Sorting and grouping end at the limit of memory and do not spill to the disk.
    ("max_bytes_before_external_sort", "0"),
    ("max_bytes_before_external_group_by", "0"),
    ("max_bytes_ratio_before_external_sort", "0"),
    ("max_bytes_ratio_before_external_group_by", "0"),
    // A double that slipped past the deduplication of inserts is not seen.
    ("final", "1"),
    ("date_time_output_format", "iso"),
    ("output_format_write_statistics", "0"),
    ("output_format_json_quote_64bit_integers", "0"),
];

/// Writes the engine's configuration into `data` and says where it is.
pub(crate) fn write_config(data: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(data)?;
    let users = fs::canonicalize(data)?.join("users.xml");
    let mut grants = String::new();
    for table in TABLES {
        // Writing into a String does not fail.
        let _ = write!(grants, "<query>GRANT SELECT ON {DATABASE}.{table}</query>");
    }
    fs::write(
        &users,
        format!(
            "<clickhouse>\n<profiles><default/></profiles>\n<quotas><default/></quotas>\n<roles>\n\
             <owner><grants><query>GRANT ALL ON *.*</query></grants></owner>\n\
             <analyst><grants>{grants}</grants></analyst>\n</roles>\n<users><default>\n<password></password>\n\
             <networks><ip>127.0.0.1</ip></networks>\n<profile>default</profile>\n<quota>default</quota>\n\
             <grants><query>GRANT owner, analyst</query></grants>\n</default></users>\n</clickhouse>\n"
        ),
    )?;
    let config = data.join("engine.xml");
    let path = escape(&users.to_string_lossy());
    fs::write(
        &config,
        format!(
            "<clickhouse>\n<user_directories><users_xml><path>{path}</path></users_xml></user_directories>\n\
             <access_control_improvements>\n\
             <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>\n\
             <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>\n\
             <table_engines_require_grant>true</table_engines_require_grant>\n\
             </access_control_improvements>\n</clickhouse>\n"
        ),
    )?;
    Ok(config)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_server_has_the_same_limits_and_the_same_tables() {
        let users = include_str!("../../deploy/clickhouse-users.sql");
        // What an answer looks like is no limit.
        let limits = LIMITS.iter().filter(|(name, _)| name.starts_with("max_") || name.ends_with("_mode"));
        for (name, value) in limits {
            let value = if value.parse::<u64>().is_ok() { (*value).to_owned() } else { format!("'{value}'") };
            assert!(users.contains(&format!("{name} = {value} CONST")), "{name} = {value}");
        }
        for table in TABLES {
            assert!(users.contains(&format!("GRANT SELECT ON {DATABASE}.{table} TO swarmlog_people;")), "{table}");
        }
        assert_eq!(users.matches("TO swarmlog_people;").count(), TABLES.len());
    }
}
