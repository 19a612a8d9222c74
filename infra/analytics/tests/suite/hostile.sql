-- One statement a line. REFUSE: must be refused by the gate. ALLOW: must pass, and run.
-- REFUSE
SELECT length(file('/etc/passwd'))
SELECT * APPLY(file) FROM (SELECT '/etc/passwd')
SELECT arrayMap(file, ['/etc/passwd'])
SELECT `fi\x6ce`('/etc/passwd')
SELECT /*x*/file/**/('/etc/passwd')
SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')
SELECT 1 INTO OUTFILE '/tmp/x'
SELECT 1; SELECT 2
INSERT INTO FUNCTION file('/tmp/x', CSV) SELECT 1
SELECT * FROM `/tmp/x.csv`
SET ROLE NONE
SELECT 1 SETTINGS readonly = 0
SELECT FILE('/etc/passwd')
SELECT "file"('/etc/passwd')
SELECT arrayMap(x -> file(x), ['/etc/passwd'])
SELECT arrayMap(`file`, ['/etc/passwd'])
SELECT arrayFold((a, x) -> concat(a, file(x)), ['/etc/passwd'], '')
SELECT COLUMNS('.*') APPLY(x -> file(x)) FROM (SELECT '/etc/passwd')
SELECT * APPLY file FROM (SELECT '/etc/passwd' AS p)
WITH file('/etc/passwd') AS secret SELECT secret
SELECT (SELECT file('/etc/passwd'))
SELECT 1 WHERE file('/etc/passwd') LIKE '%root%'
SELECT count() FROM events HAVING file('/etc/passwd') != ''
SELECT count() FROM events LIMIT length(file('/etc/passwd'))
SELECT * FROM file('/etc/passwd', LineAsString)
SELECT * FROM '/etc/passwd'
SELECT * FROM default.`/etc/passwd`
SELECT * FROM events, file('/etc/passwd', LineAsString)
SELECT * FROM events JOIN file('/etc/passwd', LineAsString) AS f ON 1 = 1
SELECT * FROM events AS a JOIN events AS b ON a.position = b.position, system.users
SELECT 1 IN file('/etc/passwd', LineAsString)
SELECT * FROM s3('https://example.com/x.csv')
SELECT * FROM remote('127.0.0.1', system.one)
SELECT * FROM mysql('127.0.0.1:3306', 'd', 't', 'u', 'p')
SELECT * FROM executable('ls', TSV, 'a String')
SELECT * FROM input('a String')
SELECT * FROM merge('swarmlog', '.*')
SELECT * FROM view(SELECT 1)
SELECT * FROM format(CSV, '1,2')
SELECT * FROM system.users
SELECT * FROM system.query_log
SELECT * FROM information_schema.tables
SELECT * FROM parked
SELECT * FROM swarmlog.parked
SELECT * FROM (SELECT * FROM (SELECT * FROM parked))
SELECT 1 IN (system.users)
SELECT 1 IN system.users
SELECT 1 IN parked
SELECT 1 NOT IN (swarmlog.parked)
SELECT 1 GLOBAL IN hidden.table
SELECT * FROM (WITH parked AS (SELECT 1) SELECT * FROM parked), parked
SELECT in(1, system.users)
SELECT count() FROM events WHERE tenant IN (SELECT name FROM system.users)
SELECT 1 UNION ALL SELECT count() FROM system.tables
SELECT 1 EXCEPT SELECT count() FROM system.tables
WITH system AS (SELECT 1) SELECT * FROM system.users
WITH parked AS (SELECT 1) SELECT * FROM swarmlog.parked
SELECT * FROM events AS e, LATERAL (SELECT 1)
SELECT getSetting('readonly')
SELECT getServerPort('tcp_port')
SELECT getMacro('x')
SELECT hostName(), version(), currentUser(), serverUUID()
SELECT @@version
SELECT {secret:String}
SELECT dictGet('d', 'a', 1)
SELECT joinGet('t', 'a', 1)
SELECT sleep(3)
SELECT sleepEachRow(3) FROM events
SELECT arrayReduce('sum', [1, 2])
SELECT initializeAggregation('sumState', 1)
SELECT CAST(unhex('00'), 'AggregateFunction(groupBitmap, UInt32)')
SELECT sumState(1)
SELECT filesystemAvailable()
SELECT showCertificate()
SELECT catboostEvaluate('/etc/passwd', 1)
SELECT formatRow('CSV', 1)
SELECT 1 FORMAT CSV
SELECT 1 AS file
SELECT * FROM (SELECT 1 SETTINGS max_threads = 1)
SELECT 1 INTO OUTFILE '/tmp/x' TRUNCATE FORMAT CSV
SELECT 1 PARALLEL WITH SELECT 2
DROP TABLE events
TRUNCATE TABLE events
ALTER TABLE events DELETE WHERE 1
INSERT INTO events (tenant) VALUES ('x')
CREATE TABLE x (a UInt8) ENGINE = Memory
CREATE FUNCTION f AS x -> file(x)
SYSTEM SHUTDOWN
KILL QUERY WHERE 1
SHOW TABLES
SHOW GRANTS
DESCRIBE TABLE file('/etc/passwd')
EXPLAIN SELECT file('/etc/passwd')
EXPLAIN PIPELINE SELECT * FROM system.users
EXISTS TABLE system.users
USE system
SET readonly = 0
SET max_memory_usage = 0
BACKUP TABLE events TO File('/tmp/x')
GRANT ALL ON *.* TO default
EXECUTE AS default SELECT 1
ATTACH TABLE x FROM '/tmp'
VALUES (1)
-- ALLOW
SELECT count() FROM events
SELECT 'file' AS x
WITH a AS (SELECT 1 AS n) SELECT n FROM a
SELECT type, count() AS n FROM events GROUP BY type ORDER BY n DESC LIMIT 10
SELECT * FROM events ORDER BY position LIMIT 5
SELECT * FROM swarmlog.events LIMIT 1
select COUNT(*), Min(recorded_at), MAX(recorded_at) from events -- a comment
SELECT 'it''s; DROP TABLE events' AS text, "type", `position` FROM events LIMIT 1
SELECT toStartOfHour(recorded_at) AS hour, count() FROM events GROUP BY hour ORDER BY hour
SELECT dateDiff('second', min(recorded_at), max(recorded_at)) AS seconds FROM events
SELECT count() FROM events WHERE recorded_at >= now() - INTERVAL 1 DAY
SELECT count() FROM events WHERE recorded_at > '2026-11-01' AND type LIKE 'work.%' AND actor NOT IN ('a', 'b')
SELECT JSONExtractString(payload, 'queue') AS queue, count() FROM events GROUP BY queue
SELECT JSONExtract(payload, 'attempts', 'Int64') AS attempts, JSONExtractArrayRaw(payload, 'tags') FROM events LIMIT 3
SELECT job_id, argMax(value, step) AS last_loss, min(value) AS best FROM run_metrics WHERE name = 'loss' GROUP BY job_id ORDER BY last_loss LIMIT 10
SELECT job_id, step, value, avg(value) OVER (PARTITION BY job_id ORDER BY step ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS smooth FROM run_metrics
SELECT job_id, row_number() OVER w AS place, lagInFrame(value) OVER w FROM run_metrics WINDOW w AS (PARTITION BY job_id ORDER BY step)
SELECT e.aggregate_id, m.value FROM events AS e INNER JOIN run_metrics AS m ON e.aggregate_id = m.job_id LIMIT 5
SELECT e.aggregate_id, any(m.value) FROM events e LEFT JOIN (SELECT job_id, value FROM run_metrics) m ON e.aggregate_id = m.job_id GROUP BY e.aggregate_id
WITH last AS (SELECT aggregate_id, max(seq) AS seq FROM events GROUP BY aggregate_id) SELECT count() FROM events AS e JOIN last USING (aggregate_id, seq)
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n
WITH (SELECT count() FROM events) AS total SELECT type, count() / total AS share FROM events GROUP BY type
SELECT aggregate_id, type FROM events ORDER BY recorded_at DESC LIMIT 1 BY aggregate_id
SELECT type, count() FROM events GROUP BY type WITH TOTALS
SELECT type, aggregate_type, count() FROM events GROUP BY type, aggregate_type WITH ROLLUP
SELECT type, count() AS n FROM events GROUP BY type HAVING n > 1 ORDER BY n DESC, type ASC
SELECT count() FROM events WHERE aggregate_id IN (SELECT job_id FROM run_metrics)
SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT count() FROM events
SELECT 1 INTERSECT SELECT 1 EXCEPT SELECT 2
SELECT arrayJoin(JSONExtract(payload, 'tags', 'Array(String)')) AS tag, count() FROM events GROUP BY tag
SELECT type, tag FROM events ARRAY JOIN JSONExtract(payload, 'tags', 'Array(String)') AS tag LIMIT 5
SELECT arrayMap(x -> x * 2, arrayFilter(x -> x % 2 = 1, range(10))) AS odd
SELECT countIf(type = 'work.JobLeased'), sumIf(seq, seq > 1), uniqExactIf(aggregate_id, seq > 1), quantile(0.9)(position), quantiles(0.5, 0.99)(position) FROM events
SELECT count(DISTINCT aggregate_id), uniq(actor), groupArray(3)(type), topK(2)(type) FROM events
SELECT count(*) FILTER (WHERE seq = 1) FROM events
SELECT CASE WHEN seq = 1 THEN 'new' ELSE 'old' END AS age, if(seq > 1, 'a', 'b'), multiIf(seq = 1, 1, seq = 2, 2, 3) FROM events LIMIT 2
SELECT DISTINCT type FROM events
SELECT DISTINCT ON (aggregate_id) aggregate_id, type FROM events ORDER BY position
SELECT position, occurred_at IS NULL, coalesce(occurred_at, recorded_at), occurred_at IS DISTINCT FROM recorded_at FROM events LIMIT 2
SELECT toDate(recorded_at) AS day, count() FROM events GROUP BY day ORDER BY day WITH FILL FROM toDate('2026-11-20') TO toDate('2026-11-23') STEP 1
SELECT formatDateTime(recorded_at, '%Y-%m') AS month, toYYYYMM(recorded_at), toDayOfWeek(recorded_at), recorded_at::Date FROM events LIMIT 1
SELECT substring(aggregate_id FROM 1 FOR 3), trim(BOTH ' ' FROM actor), EXTRACT(YEAR FROM recorded_at), upper(type), splitByChar('.', type)[2] FROM events LIMIT 1
SELECT * EXCEPT (payload) REPLACE (upper(type) AS type) FROM events LIMIT 1
SELECT COLUMNS('.*_id') FROM events LIMIT 1
SELECT number, number % 3 AS r FROM numbers(10) ORDER BY r, number LIMIT 3 OFFSET 2
SELECT m, count() FROM (SELECT max(seq) AS m FROM events GROUP BY aggregate_id) GROUP BY m
SELECT name, simpleLinearRegression(step, value), stddevPop(value), corr(step, value) FROM run_metrics GROUP BY name
SELECT windowFunnel(3600)(toDateTime(recorded_at), type = 'work.JobSubmitted', type = 'work.JobLeased') FROM events GROUP BY aggregate_id
SELECT position FROM events QUALIFY row_number() OVER (PARTITION BY type ORDER BY position DESC) <= 2
(SELECT 1) UNION ALL (SELECT 2)
SELECT tuple(1, 'a').1, map('k', 1)['k'], [1, 2, 3][-1], (1, 2) = (1, 2), NULL, true, -1.5e3
SELECT a.aggregate_id FROM events a ASOF JOIN run_metrics m ON a.aggregate_id = m.job_id AND a.recorded_at >= m.recorded_at LIMIT 1
SELECT tenant, context, topic, partition, position, timeline, event_id, type, aggregate_type, aggregate_id, seq, command_id, causation_id, correlation_id, actor, occurred_at, recorded_at, schema_id, payload FROM events LIMIT 1
SELECT tenant, source, job_id, name, step, value, at, recorded_at, topic, partition, offset, row, timeline, batch_id FROM run_metrics LIMIT 1
