//! Statements of any shape, sent to a running server: it goes on, and keeps within its memory.

use crate::installation::{Installation, text};

const START: u64 = 1_700_000_000;

#[test]
fn no_statement_ends_the_server_or_takes_more_memory_than_it_may() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let chain = |first: &str, link: &str| format!("{first}{}", link.repeat(3_000));
    let doubled: Vec<String> =
        (1..=20).map(|n| format!("c{n} as (select * from c{0} union all select * from c{0})", n - 1)).collect();
    let grown: Vec<String> = (1..=40).map(|n| format!("c{n} as (select s || s as s from c{})", n - 1)).collect();
    for (number, statement) in [
        chain("select 1", " + 1"),
        chain("select 1 from environment where device = '0'", " or device = '0'"),
        chain("select 1", " union all select 1"),
        chain("select 'a'", " || 'b'"),
        chain("select 1", "::bigint"),
        chain("select 1", " is null"),
        chain("select now()", " at time zone 'UTC'"),
        format!("with c0 as (select 1 as v), {} select * from c20", doubled.join(", ")),
        format!("with c0 as (select 'aaaa' as s), {} select max(length(s)) from c40", grown.join(", ")),
        "select max(s) from (select sum(value) over () s from generate_series(1,200000000)) q".to_owned(),
        "select max(array_length(s)) from (select array_agg(value) over (order by value) s \
         from generate_series(1, 1000000)) q"
            .to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let output = server.sql_output(&statement, "csv");
        let shown: String = statement.chars().take(80).collect();
        // An AND or an OR may be of any length; all others are refused.
        assert_eq!(output.status.success(), shown.contains("device = '0'"), "{shown}: {}", text(&output.stderr));
        // Rows of their own: the same lines once more are the same request.
        server.write_rows(&token, "d1", START + 3 * number as u64, 3);
    }
    assert_eq!(server.sql_value("select count(*) from environment"), 33);
    let peak = server.peak_memory_bytes();
    assert!(peak < 900 << 20, "{} MB", peak >> 20);
    assert!(server.terminate().success(), "{}", place.log());
}
