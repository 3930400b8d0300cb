//! What a server says of its own state: in SQL, in metrics, and in its log where a bound is near.

use crate::installation::{Installation, agent, wait_for};

const START: u64 = 1_700_000_000;

/// Value of a metric with these labels.
pub(crate) fn metric(place: &Installation, password: &str, name: &str) -> Option<f64> {
    let credentials = base64(&format!("admin:{password}"));
    let answer = agent().get(place.url("/metrics")).header("Authorization", format!("Basic {credentials}")).call();
    let text = answer.expect("the server answers").body_mut().read_to_string().expect("text");
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn base64(text: &str) -> String {
    use base64::Engine;

    base64::prelude::BASE64_STANDARD.encode(text)
}

#[test]
fn tables_files_and_merges_are_rows_that_agree_with_the_data() {
    let place = Installation::new().with("ZONELAKE_FLUSH_AGE_SECONDS", 1).with("ZONELAKE_COMPACTION_FILES_MAX", 2);
    let server = place.first_start();
    let token = place.add_gateway("g");
    for batch in 0..3 {
        server.write_rows(&token, "a", START + batch * 10, 10);
        let flushed = wait_for(|| {
            let live = server.sql_value("select live_rows from system.tables where table_name = 'environment'");
            (live == 0).then_some(())
        });
        assert!(flushed.is_some(), "{}", place.log());
    }
    let merged = wait_for(|| {
        let merges = server.sql("select table_name, files, \"rows\", state from system.compactions");
        (!merges.is_empty()).then_some(merges)
    });
    let merges = merged.unwrap_or_else(|| panic!("nothing was merged: {}", place.log()));
    assert_eq!(
        merges,
        [serde_json::json!({"table_name": "environment", "files": 3, "rows": 30, "state": "done"})],
        "three files are one too many"
    );
    // Two values a row, and rows in memory beside those in files.
    server.write_rows(&token, "b", START + 100, 5);
    let found = server.sql(
        "select t.\"rows\", t.oldest = (select min(time) from environment) first, t.newest = (select max(time) from environment) last, \
         t.files = (select count(*) from system.files where table_name = 'environment') files, \
         t.bytes = (select sum(bytes) from system.files where table_name = 'environment') bytes, \
         t.bytes_per_reading > 0 ratio from system.tables t where table_name = 'environment'",
    );
    let expected =
        serde_json::json!({"rows": 35, "first": true, "last": true, "files": true, "bytes": true, "ratio": true});
    assert_eq!(found, [expected]);
    assert!(metric(&place, server.password(), "zonelake_log_bytes{shard=\"0\"}").is_some_and(|bytes| bytes > 0.0));
}

#[test]
fn a_bound_that_is_near_is_in_the_log_and_in_the_metrics() {
    // More must stay free than any disk has: the server starts, and takes nothing.
    let place = Installation::new().with("ZONELAKE_STORAGE_FREE_BYTES_MIN", 1u64 << 50);
    let server = place.first_start();
    let warned = wait_for(|| place.log().contains("a bound is near").then_some(()));
    assert!(warned.is_some(), "{}", place.log());
    let line = place.log().lines().find(|line| line.contains("a bound is near")).map(str::to_owned);
    assert!(
        line.is_some_and(|line| line.contains("storage.free_bytes_min") && line.contains("make room")),
        "{}",
        place.log()
    );
    let name = "zonelake_bound_near{bound=\"storage.free_bytes_min\",of=\"\"}";
    assert_eq!(metric(&place, server.password(), name), Some(1.0));
}
