//! A push against a small server over real QUIC on the loopback interface.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect, and its numbers are small")]

#[expect(dead_code, reason = "the tests of the gateway itself use the rest of it")]
#[path = "../../tests/test_server/mod.rs"]
mod test_server;

use std::sync::atomic::Ordering;

use test_server::{TOKEN, TestServer, options};
use zonelake_push::{Mapping, NoProgress, PushInput, PushOptions, push};
use zonelake_schemas::error::ErrorKind;

#[tokio::test(flavor = "multi_thread")]
async fn batches_sent_again_are_the_same_bytes_under_the_same_schema_and_dictionaries() {
    let server = TestServer::start();
    server.book.cut_after.store(3, Ordering::SeqCst);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let rows: String = (0..40).map(|n| format!("2025-01-01T00:00:{n:02}Z,meter-{},{n}\n", n / 10)).collect();
    std::fs::write(&path, format!("time,device,active_energy\n{rows}")).unwrap();
    let mapping = Mapping { batch_rows: Some(4), ..Mapping::by_name("energy") };
    let inputs = vec![PushInput::File { path, format: None }];
    let push_options = PushOptions {
        backoff: options("p").backoff,
        ..PushOptions::new(server.connection(), TOKEN, mapping.clone(), inputs.clone())
    };
    let report = push(push_options.clone(), &NoProgress).await.unwrap();
    let file = &report.files[0];
    assert_eq!((file.rows, file.rows_before, file.totals.batches, file.totals.rows_sent), (40, 0, 10, 40));
    assert!(file.totals.links >= 2);

    let undisturbed = TestServer::start();
    let calm = PushOptions { connection: undisturbed.connection(), ..push_options.clone() };
    push(calm, &NoProgress).await.unwrap();
    let (cut, whole) = (server.stored(&file.producer), undisturbed.stored(&file.producer));
    assert_eq!(cut.payloads, whole.payloads);
    assert_eq!(cut.preludes, whole.preludes);
    assert!(whole.preludes.windows(2).any(|pair| pair[0] != pair[1]), "the dictionary changes on the way");

    let again = push(push_options, &NoProgress).await.unwrap();
    let file = &again.files[0];
    assert_eq!((file.rows, file.rows_before, file.batches_before, file.totals.batches), (40, 40, 10, 0));
    assert_eq!(server.stored(&file.producer).payloads.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_file_with_a_bad_row_is_sent_and_the_files_behind_it_are() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..12).map(|n| format!("2025-01-01T00:00:{n:02}Z,m,{n}\n")).collect();
    let file = |name: &str, rows: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("time,device,active_energy\n{rows}")).unwrap();
        PushInput::File { path, format: None }
    };
    let bad = rows.replace("m,9\n", "m,nine\n").replace("00:00:11Z,m", "00:00:61Z,m");
    let inputs = vec![file("bad.csv", &bad), file("good.csv", &rows)];
    let mapping = Mapping { batch_rows: Some(4), ..Mapping::by_name("energy") };
    let strict = PushOptions::new(server.connection(), TOKEN, mapping, inputs);
    let report = push(strict.clone(), &NoProgress).await.unwrap();
    let [error] = &report.failed[..] else { panic!("{report:?}") };
    assert_eq!(error.kind(), ErrorKind::Input);
    for words in ["bad.csv", "line 11", "nine", "one more", "nothing of this file was sent"] {
        assert!(error.to_string().contains(words), "{words} in {error}");
    }
    let [file] = &report.files[..] else { panic!("{report:?}") };
    assert_eq!((file.rows, file.rows_before, file.totals.rows_sent), (12, 0, 12));

    let report = push(PushOptions { skip_bad_rows: true, ..strict }, &NoProgress).await.unwrap();
    let file = &report.files[0];
    assert_eq!((file.rows, file.rows_before, file.bad_rows, file.bad_cells, file.totals.rows_sent), (11, 0, 1, 1, 11));
    assert_eq!(server.stored(&file.producer).payloads.len(), 3);
}
