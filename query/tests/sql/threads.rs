//! The threads that statements run in.

use std::time::Duration;

use crate::harness::{Harness, answer};

/// The nice value in a `stat` of the proc file system, if the thread has that name.
fn nice_in(stat: &str, name: Option<&str>) -> Option<i64> {
    let (head, fields) = stat.rsplit_once(") ")?;
    let found = head.split_once('(')?.1;
    name.is_none_or(|name| name == found).then(|| fields.split(' ').nth(16)?.parse().ok())?
}

/// The nice values of this process's threads of that name.
fn nice_of(name: &str) -> Vec<i64> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    stats.filter_map(|stat| nice_in(&stat, Some(name))).collect()
}

#[tokio::test]
async fn statements_run_in_threads_that_let_ingest_go_first() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine();
    assert_eq!(answer(&engine, "select count(*) from probe").await, ["0"]);
    let own = nice_in(&std::fs::read_to_string("/proc/thread-self/stat").unwrap(), None).unwrap();
    // Other tests of this program start such threads too, and a thread has its name before it runs at lower priority.
    for _ in 0..500 {
        let nice = nice_of("query");
        assert!(!nice.is_empty(), "no thread of that name");
        if nice.iter().all(|&nice| nice == (own + 10).min(19)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("threads that compute compete with ingest: {:?}", nice_of("query"));
}
