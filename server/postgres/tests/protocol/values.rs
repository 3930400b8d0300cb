//! Values of every type, in text and binary, to their edges.

use bytes::Bytes;
use futures::TryStreamExt;
use tokio_postgres::types::{FromSql, Type};

use crate::server::{TestServer, failure, shown, texts};

/// The bytes of a value in the binary form.
#[derive(Debug, PartialEq, Eq)]
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Each expression with its type in PostgreSQL, its text and its binary form, as PostgreSQL 15 sends them.
const VALUES: &[(&str, &str, &str, &[u8])] = &[
    ("true", "bool", "t", &[1]),
    ("1::smallint", "int2", "1", &[0, 1]),
    ("(-2147483648)::int", "int4", "-2147483648", &[0x80, 0, 0, 0]),
    ("9223372036854775807", "int8", "9223372036854775807", &[0x7f, 255, 255, 255, 255, 255, 255, 255]),
    ("1.5::real", "float4", "1.5", &[0x3f, 0xc0, 0, 0]),
    ("0.1::double precision", "float8", "0.1", &[0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a]),
    ("'NaN'::double precision", "float8", "NaN", &[0x7f, 0xf8, 0, 0, 0, 0, 0, 0]),
    ("'-Infinity'::double precision", "float8", "-Infinity", &[0xff, 0xf0, 0, 0, 0, 0, 0, 0]),
    ("1e300::double precision", "float8", "1e+300", &[0x7e, 0x37, 0xe4, 0x3c, 0x88, 0x00, 0x75, 0x9c]),
    ("(-0.05)::numeric(9,2)", "numeric", "-0.05", &[0, 1, 255, 255, 0x40, 0, 0, 2, 0x01, 0xf4]),
    ("'ắ'::text", "text", "ắ", "ắ".as_bytes()),
    ("''::text", "text", "", b""),
    ("'\\x00ff'::bytea", "bytea", "\\x00ff", &[0, 255]),
    ("date '2000-01-02'", "date", "2000-01-02", &[0, 0, 0, 1]),
    ("date '1969-12-31'", "date", "1969-12-31", &[255, 255, 0xd5, 0x32]),
    ("timestamp '2000-01-01 00:00:00.5'", "timestamp", "2000-01-01 00:00:00.5", &[0, 0, 0, 0, 0, 0x07, 0xa1, 0x20]),
    (
        "timestamptz '2000-01-01 00:00:01+00'",
        "timestamptz",
        "2000-01-01 00:00:01+00",
        &[0, 0, 0, 0, 0, 0x0f, 0x42, 0x40],
    ),
    (
        "timestamp '0001-01-01 00:00:00'",
        "timestamp",
        "0001-01-01 00:00:00",
        &[0xff, 0x1f, 0xe2, 0xff, 0xc5, 0x9c, 0x60, 0],
    ),
    ("time '01:02:03'", "time", "01:02:03", &[0, 0, 0, 0, 0xdd, 0xe8, 0x78, 0xc0]),
    (
        "interval '1 day 2 hours'",
        "interval",
        "1 day 02:00:00",
        &[0, 0, 0, 1, 0xad, 0x27, 0x48, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    ),
    (
        "[1::int, null]",
        "_int4",
        "{1,NULL}",
        &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 255, 255, 255, 255],
    ),
];

#[tokio::test]
async fn each_type_is_sent_as_postgresql_sends_it() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for (expression, type_name, text, binary) in VALUES {
        let sql = format!("select {expression} as v");
        assert_eq!(texts(&client, &sql).await, [*text], "{expression}");
        let row = client.query_one(&sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {}", shown(&error)));
        assert_eq!(row.columns()[0].type_().name(), *type_name, "{expression}");
        assert_eq!(row.get::<_, Raw>(0), Raw(Some(binary.to_vec())), "{expression}");
        let nothing = format!("select v from (select {expression} as v) t where false");
        assert!(client.query(&nothing, &[]).await.unwrap().is_empty(), "{expression}");
    }
    let row = client.query_one("select null::bigint as v, null as w", &[]).await.unwrap();
    assert_eq!((row.get::<_, Raw>(0), row.get::<_, Raw>(1)), (Raw(None), Raw(None)));
}

#[tokio::test]
async fn a_table_has_the_same_values_in_text_in_binary_and_as_copies() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let sql = "select device, time, level, temperature, volume, pulses, is_open, note, date from probe order by time";
    let in_text = texts(&client, sql).await;
    assert_eq!(in_text.len(), 60);
    assert_eq!(in_text[0], "d0|2026-01-01 00:00:00+00|∅|∅|∅|∅|∅|∅|2026-01-01");
    assert_eq!(in_text[1].split('|').nth(3), Some("9999999.99"), "{}", in_text[1]);
    let rows = client.query(sql, &[]).await.unwrap();
    for (row, text) in rows.iter().zip(&in_text) {
        let cells: Vec<&str> = text.split('|').collect();
        let shown = |cell: Option<String>| cell.unwrap_or_else(|| "∅".to_owned());
        assert_eq!(row.get::<_, Option<&str>>(0), Some(cells[0]));
        assert_eq!(shown(row.get::<_, Option<f64>>(2).map(|v| v.to_string())), cells[2]);
        assert_eq!(shown(row.get::<_, Option<f64>>(3).map(|v| v.to_string())), cells[3]);
        assert_eq!(shown(row.get::<_, Option<i64>>(5).map(|v| v.to_string())), cells[5]);
        assert_eq!(shown(row.get::<_, Option<bool>>(6).map(|v| if v { "t" } else { "f" }.to_owned())), cells[6]);
    }
    let copied = copy(&client, "copy (select device, pulses from probe order by time) to stdout").await;
    let copied = String::from_utf8(copied.to_vec()).unwrap();
    assert_eq!(copied.lines().count(), 60);
    assert!(copied.starts_with("d0\t\\N\nd1\t"), "{copied}");
    let csv = copy(&client, "copy probe (device, is_open) to stdout (format csv, header)").await;
    assert!(csv.starts_with(b"device,is_open\n"), "{csv:?}");
    let binary = copy(&client, "copy (select 7::bigint) to stdout (format binary)").await;
    assert_eq!(&binary[19..], [0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 255, 255]);
}

async fn copy(client: &tokio_postgres::Client, sql: &str) -> Bytes {
    let stream = client.copy_out(sql).await.unwrap_or_else(|error| panic!("{sql}: {}", shown(&error)));
    let parts: Vec<Bytes> = stream.try_collect().await.unwrap();
    parts.concat().into()
}

#[tokio::test]
async fn parameters_have_the_types_of_their_places() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let statement = client.prepare("select device from probe where pulses = $1 and level < $2 and device = $3").await;
    let statement = statement.unwrap_or_else(|error| panic!("{}", shown(&error)));
    assert_eq!(statement.params(), [Type::INT8, Type::FLOAT8, Type::TEXT]);
    let rows = client.query(&statement, &[&-49i64, &100.0f64, &"d1"]).await.unwrap();
    assert!(rows.len() <= 1);
    let one = |sql: &'static str| async { client.prepare(sql).await.map_err(|error| shown(&error)).unwrap() };
    assert_eq!(one("select $1::int + 1").await.params(), [Type::INT4]);
    assert_eq!(one("select * from probe limit $1 offset $2").await.params(), [Type::INT8, Type::INT8]);
    assert_eq!(one("select $1").await.params(), [Type::TEXT]);
    assert_eq!(one("select * from probe where time >= $1").await.params(), [Type::TIMESTAMPTZ]);
    let row = client.query_one("select $1::bigint + 1, $2::text, $3::boolean", &[&41i64, &"it's", &None::<bool>]).await;
    let row = row.unwrap_or_else(|error| panic!("{}", shown(&error)));
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (42, "it's"));
    assert_eq!(row.get::<_, Option<bool>>(2), None);
    let limited = client.query("select time from probe order by time limit $1", &[&3i64]).await.unwrap();
    assert_eq!(limited.len(), 3);
    let early = std::time::UNIX_EPOCH + std::time::Duration::from_micros(1_767_225_600_000_000);
    let count = client.query_one("select count(*) from probe where time <= $1", &[&early]).await.unwrap();
    assert_eq!((count.get::<_, i64>(0), count.columns()[0].name()), (1, "count"));
}

#[tokio::test]
async fn a_million_rows_are_sent_whole() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let rows = client.query_raw("select value, value * 2 from generate_series(1, 1000000)", Vec::<i64>::new()).await;
    let rows = rows.unwrap_or_else(|error| panic!("{}", shown(&error)));
    let (count, sum) = rows
        .try_fold((0u64, 0i64), |(count, sum), row| async move { Ok((count + 1, sum + row.get::<_, i64>(1))) })
        .await
        .unwrap();
    assert_eq!((count, sum), (1_000_000, 1_000_001_000_000));
}

#[tokio::test]
async fn what_cannot_be_sent_is_an_error_and_the_connection_goes_on() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for (sql, sqlstate) in [
        ("select arrow_cast(-9223372036854775808, 'Timestamp(Microsecond, None)')", "22008"),
        ("select arrow_cast(18446744073709551615, 'UInt64')", "22003"),
        ("select 1/0", "22012"),
        ("select 'x'::int", "22P02"),
    ] {
        assert_eq!(failure(&client, sql).await, sqlstate, "{sql}");
        assert_eq!(texts(&client, "select 1").await, ["1"]);
    }
}
