-- The two users of Swarmlog on a ClickHouse server, 25.3 or newer. Change both passwords, then run it once as an
-- administrator: clickhouse-client --queries-file infra/deploy/clickhouse-users.sql
-- With another database than `swarmlog`, change the name wherever it stands.

-- The program: makes and fills the tables, and asks the server what its functions are called.
CREATE USER IF NOT EXISTS swarmlog IDENTIFIED WITH sha256_password BY 'change me';
GRANT CREATE DATABASE, CREATE TABLE, SELECT, INSERT ON swarmlog.* TO swarmlog;
GRANT TABLE ENGINE ON ReplacingMergeTree TO swarmlog;
GRANT SELECT ON system.functions TO swarmlog;
GRANT SELECT ON system.databases TO swarmlog;
GRANT SELECT ON system.tables TO swarmlog;

-- People's SQL: the grants are the wall behind the gate, so this user gets nothing else, and no role by default. The
-- limits are those that Swarmlog sends with each statement; here they hold as well for whoever comes without Swarmlog.
CREATE SETTINGS PROFILE IF NOT EXISTS swarmlog_people SETTINGS
    readonly = 2,
    max_execution_time = 10 CONST,
    max_result_rows = 100000 CONST,
    max_result_bytes = 33554432 CONST,
    max_memory_usage = 1073741824 CONST,
    max_rows_to_read = 500000000 CONST,
    max_rows_in_set = 10000000 CONST,
    max_threads = 2 CONST,
    max_ast_elements = 20000 CONST,
    max_expanded_ast_elements = 200000 CONST,
    max_subquery_depth = 50 CONST,
    max_query_size = 131072 CONST,
    result_overflow_mode = 'throw' CONST,
    timeout_overflow_mode = 'throw' CONST,
    read_overflow_mode = 'throw' CONST,
    max_bytes_before_external_sort = 0 CONST,
    max_bytes_before_external_group_by = 0 CONST,
    max_bytes_ratio_before_external_sort = 0 CONST,
    max_bytes_ratio_before_external_group_by = 0 CONST;
CREATE USER IF NOT EXISTS swarmlog_people IDENTIFIED WITH sha256_password BY 'change me too'
    DEFAULT ROLE NONE SETTINGS PROFILE 'swarmlog_people';
GRANT SELECT ON swarmlog.events TO swarmlog_people;
GRANT SELECT ON swarmlog.run_metrics TO swarmlog_people;
