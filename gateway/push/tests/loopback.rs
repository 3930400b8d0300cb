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
async fn a_bad_row_stops_a_push_behind_what_is_durable_and_the_mended_push_goes_on() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let rows: String = (0..12).map(|n| format!("2025-01-01T00:00:{n:02}Z,m,{n}\n")).collect();
    std::fs::write(&path, format!("time,device,active_energy\n{}", rows.replace("m,9\n", "m,nine\n"))).unwrap();
    let mapping = Mapping { batch_rows: Some(4), ..Mapping::by_name("energy") };
    let inputs = vec![PushInput::File { path, format: None }];
    let strict = PushOptions::new(server.connection(), TOKEN, mapping, inputs);
    let error = push(strict.clone(), &NoProgress).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("line 11") && error.to_string().contains("nine"), "{error}");

    let report = push(PushOptions { skip_bad_rows: true, ..strict }, &NoProgress).await.unwrap();
    let file = &report.files[0];
    assert_eq!((file.rows, file.rows_before, file.bad_rows, file.totals.rows_sent), (11, 8, 1, 3));
    assert_eq!(server.stored(&file.producer).payloads.len(), 3);
}
