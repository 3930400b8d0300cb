-- What Grafana asks when it connects and when it shows data, macros expanded. Behind each statement stands its expected
-- shape: the columns, how many rows there are at least and at most, and a value that one of them has.

-- question: Grafana, test of the connection
SELECT 1;
-- columns: ?column?
-- rows: 1 1

-- question: Grafana, version and TimescaleDB
SELECT current_setting('server_version_num')::int/100 as version;
-- columns: version
-- rows: 1 1
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';
-- columns: extversion
-- rows: 0 0

-- question: Grafana, tables of the query builder
SELECT
  CASE WHEN quote_ident(table_schema) IN ('public') THEN quote_ident(table_name)
       ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
FROM information_schema.tables
WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache')
ORDER BY CASE WHEN quote_ident(table_schema) IN ('public') THEN 0 ELSE 1 END, 1;
-- columns: table
-- rows: 10 100

-- question: Grafana, columns of the query builder
SELECT quote_ident(column_name) AS "column", data_type AS "type"
FROM information_schema.columns
WHERE quote_ident(table_name) = 'probe'
ORDER BY 1;
-- columns: column type
-- rows: 15 15

-- question: Grafana, a time series: $__timeGroupAlias and $__timeFilter
SELECT floor(extract(epoch from time)/60)*60 AS "time", device AS "metric", avg(level) AS "level"
FROM probe
WHERE time BETWEEN '2025-12-31T23:00:00Z' AND '2026-01-01T01:00:00Z'
GROUP BY 1, 2
ORDER BY 1, 2;
-- columns: time metric level
-- rows: 3 3

-- question: Grafana, a table: $__time and $__timeTo
SELECT time AS "time", device, temperature FROM probe WHERE time <= '2026-01-01T00:00:02.000Z' ORDER BY time DESC LIMIT 50;
-- columns: time device temperature
-- rows: 3 3

-- question: Grafana, $__unixEpochFilter and the values of a variable
SELECT DISTINCT device AS "__text", device AS "__value" FROM probe WHERE extract(epoch from time) >= 1767225600 ORDER BY 1;
-- columns: __text __value
-- rows: 3 3

-- question: Grafana, schemas of the query builder
SELECT schema_name AS "name"
FROM information_schema.schemata
WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast', '_timescaledb_cache', '_timescaledb_catalog',
  '_timescaledb_internal', '_timescaledb_config', 'timescaledb_information', 'timescaledb_experimental')
ORDER BY schema_name;
-- columns: name
-- rows: 2 2

-- question: Grafana, tables of a schema
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables WHERE quote_ident(table_schema) = 'public' ORDER BY 1;
-- columns: table
-- rows: 10 100

-- question: Grafana, tables along the search path
SELECT
    CASE WHEN
          quote_ident(table_schema) IN (
          SELECT
            CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM
            generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )
      THEN quote_ident(table_name)
      ELSE quote_ident(table_schema) || '.' || quote_ident(table_name)
    END AS "table"
    FROM information_schema.tables
    WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache', '_timescaledb_catalog',
      '_timescaledb_internal', '_timescaledb_config', 'timescaledb_information', 'timescaledb_experimental')
    ORDER BY CASE WHEN
          quote_ident(table_schema) IN (
          SELECT
            CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM
            generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          ) THEN 0 ELSE 1 END, 1;
-- columns: table
-- rows: 10 100
-- has: probe

-- question: Grafana, columns of a table along the search path
SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE
      CASE WHEN array_length(parse_ident('probe'),1) = 2
        THEN quote_ident(table_schema) = (parse_ident('probe'))[1]
          AND quote_ident(table_name) = (parse_ident('probe'))[2]
        ELSE quote_ident(table_name) = 'probe'
          AND
          quote_ident(table_schema) IN (
          SELECT
            CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM
            generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )
      END;
-- columns: column type
-- rows: 15 15

-- question: Grafana, columns of a table that is named with its schema
SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE
      CASE WHEN array_length(parse_ident('public.probe'),1) = 2
        THEN quote_ident(table_schema) = (parse_ident('public.probe'))[1]
          AND quote_ident(table_name) = (parse_ident('public.probe'))[2]
        ELSE quote_ident(table_name) = 'public.probe'
      END;
-- columns: column type
-- rows: 15 15

-- question: Grafana, buckets as TimescaleDB has them: $__timeGroup
SELECT time_bucket('300.000s',time) AS "time", device AS metric, max(temperature) AS "temperature"
FROM probe
WHERE time BETWEEN '2025-12-31T23:00:00Z' AND '2026-01-01T01:00:00Z'
GROUP BY time_bucket('300.000s',time), device
ORDER BY 1;
-- columns: time metric temperature
-- rows: 3 3

-- question: Grafana, $__unixEpochGroup and $__timeFrom
SELECT floor((extract(epoch from time))/300)*300 AS "time", count(*) FROM probe WHERE time >= '2025-12-31T23:00:00.5Z' GROUP BY 1 ORDER BY 1;
-- columns: time count
-- rows: 1 1

-- question: Grafana, a variable of several values and its filter
SELECT time AS "time", device AS metric, level
FROM probe WHERE device IN ('d0','d1') AND time BETWEEN '2025-12-31T23:00:00Z' AND '2026-01-01T01:00:00Z' ORDER BY time
/*application='grafana',source='dashboard'*/;
-- columns: time metric level
-- rows: 4 4

-- question: Grafana, what the query builder writes
SELECT AVG(temperature) AS "temperature", device FROM probe WHERE device = 'd0' GROUP BY device LIMIT 50;
-- columns: temperature device
-- rows: 1 1

-- question: Grafana, the last value of each device and how old it is
SELECT DISTINCT ON (device) device, time AS "time", level, extract(epoch from now() - time) > 0 AS is_past FROM probe ORDER BY device, time DESC;
-- columns: device time level is_past
-- rows: 3 3

-- question: Grafana, annotations
SELECT time AS "time", time + interval '5 minutes' AS timeend, note AS text, device || ',' || quality AS tags
FROM probe WHERE note IS NOT NULL AND time BETWEEN '2025-12-31T23:00:00Z' AND '2026-01-01T01:00:00Z';
-- columns: time timeend text tags
-- rows: 3 3
