//! Which values are corrected, and which orders are refused.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use zonelake_parquet::StatValue;
use zonelake_schemas::audit::AuditOutcome;
use zonelake_storage::{Corrected, CorrectedValue, CorrectionOrder, DeletionOrder, LegalHold, RuleError, Selection};

use crate::corrections::fixture::{
    Hook, Seen, Trail, append, correct, folder, identities, merge, options, order, seen, value,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrected_values_are_seen_at_once_in_files_and_in_memory_and_nothing_else_of_the_rows_changes() {
    let folder = folder();
    let mut opened = folder.open().await;
    let trail = Trail::default();
    append(&mut opened, 1, &[(Some("pump"), 0, 100, "x"), (Some("fan"), 0, 2, "x"), (None, 0, 3, "x")]);
    opened.store.flush_all().await.unwrap();
    append(&mut opened, 2, &[(Some("pump"), 86_400, 4, "y"), (Some("pump"), 1, 5, "y")]);
    let mut expected = seen(&opened);
    let values = vec![
        value(2, Some("pump"), 0, "a", Some("7")),
        value(3, Some("pump"), 86_400, "b", None),
        value(4, None, 0, "b", Some("zone")),
        value(5, Some("fan"), 0, "a", Some("2")),
    ];
    let tries = CorrectionOrder { dry_run: true, ..order(values.clone()) };
    let would = opened.store.correct(&tries, &trail).await.unwrap();
    assert_eq!(would, Corrected { values: 4, changed: 3, rows: 3, files: 2 });
    assert_eq!(seen(&opened), expected, "nothing has changed yet");
    assert!(trail.ended.lock().unwrap().is_empty());
    let before = identities(&opened);

    assert_eq!(correct(&opened, &trail, values.clone()).await.unwrap(), would);
    expected.insert(("pump".into(), 0), vec![(Some(7), Some("x".into()))]);
    expected.insert(("pump".into(), 86_400), vec![(Some(4), None)]);
    expected.insert((String::new(), 0), vec![(Some(3), Some("zone".into()))]);
    assert_eq!(seen(&opened), expected);
    assert_eq!(identities(&opened), before, "rows are those that they were");
    let greatest = opened
        .air()
        .view()
        .files
        .iter()
        .filter_map(|file| file.stats["a"].max.clone())
        .fold(0.0, |all, max| if let StatValue::Double(max) = max { f64::max(all, max) } else { all });
    assert_eq!(greatest, 7.0, "statistics are of the new values");
    let allowed = |old: Value, new: Value| (AuditOutcome::Allowed, old, new);
    let noted = vec![
        allowed("100.0".into(), "7.0".into()),
        allowed("x".into(), "zone".into()),
        allowed("y".into(), Value::Null),
    ];
    assert_eq!(trail.changes(), noted);

    let files = opened.air().view().files.clone();
    let again = correct(&opened, &trail, values).await.unwrap();
    assert_eq!(again, Corrected { values: 4, changed: 0, rows: 0, files: 0 });
    assert_eq!(opened.air().view().files, files, "the same order once more writes nothing");
    assert_eq!(trail.changes(), noted);
    append(&mut opened, 3, &[(Some("fan"), 5, 6, "z")]);
    opened.store.flush_all().await.unwrap();
    while merge(&opened.store).await {}
    expected.insert(("fan".into(), 5), vec![(Some(6), Some("z".into()))]);
    assert_eq!(seen(&opened), expected);
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(seen(&opened), expected, "also after a restart");
    opened.store.delete_retired(opened.air(), &options()).await;
    assert_eq!(seen(&opened), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_wrong_are_named_and_then_nothing_is_changed() {
    let folder = folder();
    let mut opened = folder.open().await;
    let trail = Trail::default();
    append(&mut opened, 1, &[(Some("pump"), 0, 1, "x"), (Some("fan"), 0, 2, "x"), (Some("fan"), 0, 3, "x")]);
    append(&mut opened, 2, &[(Some("held"), 0, 4, "x")]);
    let selection = Selection { device: Some("held".into()), ..Selection::default() };
    let hold = LegalHold { name: "case".into(), selection, who: "w".into(), why: "y".into(), at_us: 0 };
    opened.store.add_legal_hold(hold).unwrap();
    let before = seen(&opened);
    let good = || value(2, Some("pump"), 0, "a", Some("9"));
    let of_table = |table: &str| CorrectedValue { table: table.into(), ..value(3, Some("pump"), 0, "a", Some("1")) };
    let timed = |time: &str| CorrectedValue { time: time.into(), ..value(3, Some("pump"), 0, "a", Some("1")) };
    let in_province =
        |province: &str| CorrectedValue { province: Some(province.into()), ..value(3, Some("pump"), 0, "b", None) };
    for (wrong, words) in [
        (value(3, Some("pump"), 1, "a", Some("1")), "line 3: there is no such row"),
        (value(3, Some("nobody"), 0, "a", Some("1")), "line 3: there is no such row"),
        (value(3, None, 0, "a", Some("1")), "line 3: there is no such row"),
        (in_province("elsewhere"), "line 3: there is no such row"),
        (value(3, Some("fan"), 0, "a", Some("1")), "line 3: 2 rows are of this zone, device and time"),
        (value(3, Some("pump"), 0, "c", Some("1")), "line 3: table air has no field \"c\""),
        (value(3, Some("pump"), 0, "zone", Some("1")), "line 3: table air has no field \"zone\""),
        (value(3, Some("pump"), 0, "a", Some("much")), "line 3: field a of table air: \"much\" is no number"),
        (value(3, Some("held"), 0, "a", Some("1")), "line 3: the row is under the legal hold case"),
        (value(3, Some("pump"), 0, "a", Some("1")), "line 3: line 2 is about the same field of the same row"),
        (of_table("water"), "line 3: there is no table \"water\""),
        (of_table("audit"), "line 3: rows of table audit are written by the server"),
        (of_table("rejected"), "line 3: rows of table rejected are written by the server"),
        (timed("2026-01-01T00:00:00"), "is no instant with its offset"),
    ] {
        let error = correct(&opened, &trail, vec![good(), wrong]).await.unwrap_err();
        assert!(matches!(error, RuleError::Input(_)), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!(seen(&opened), before, "{words}");
    }
    assert!(matches!(correct(&opened, &trail, Vec::new()).await, Err(RuleError::Input(_))));
    let many = (1..30).map(|second| value(second as u64, Some("pump"), second, "a", None)).collect();
    let error = correct(&opened, &trail, many).await.unwrap_err().to_string();
    assert!(error.contains("line 20:") && !error.contains("line 21:") && error.ends_with("and 9 more"), "{error}");
    assert!(trail.ended.lock().unwrap().is_empty());
    // Several rows, where that is meant.
    let all = CorrectionOrder { all: true, ..order(vec![value(2, Some("fan"), 0, "a", Some("5"))]) };
    let done = opened.store.correct(&all, &trail).await.unwrap();
    assert_eq!((done.changed, done.rows), (1, 2));
    let x = || Some("x".to_owned());
    assert_eq!(seen(&opened)[&("fan".to_owned(), 0)], [(Some(5), x()), (Some(5), x())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_entry_of_the_old_values_nothing_is_changed() {
    let folder = folder();
    let mut opened = folder.open().await;
    append(&mut opened, 1, &[(Some("pump"), 0, 1, "x")]);
    let (before, trail) = (seen(&opened), Trail::default());
    trail.refuses.store(true, Ordering::SeqCst);
    let refused = correct(&opened, &trail, vec![value(2, Some("pump"), 0, "a", Some("9"))]).await;
    assert!(matches!(refused, Err(RuleError::Audit(_))));
    trail.refuses.store(false, Ordering::SeqCst);
    let long = "x".repeat(9_000);
    let refused = correct(&opened, &trail, vec![value(2, Some("pump"), 0, "b", Some(&long))]).await.unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
    assert_eq!(seen(&opened), before);
    assert!(trail.begun.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_in_between_and_deleted_rows_in_the_same_file_do_no_harm() {
    let folder = folder();
    let mut opened = folder.open().await;
    for number in 1..=4 {
        let second = number as i64;
        append(&mut opened, number, &[(Some("pump"), second, second, "x"), (Some("gone"), second, 9, "x")]);
        opened.store.flush_all().await.unwrap();
    }
    let trail = Trail::default();
    let store = Arc::clone(&opened.store);
    let merging: Hook = Box::new(move || Box::pin(async move { assert!(merge(&store).await, "files have changed") }));
    *trail.hook.lock().unwrap() = Some(merging);
    let done = correct(&opened, &trail, vec![value(2, Some("pump"), 1, "a", Some("50"))]).await.unwrap();
    assert_eq!((done.changed, done.rows, done.files), (1, 1, 1));
    assert_eq!(seen(&opened)[&("pump".to_owned(), 1)], [(Some(50), Some("x".to_owned()))]);
    assert_eq!(trail.changes(), [(AuditOutcome::Allowed, "1.0".into(), "50.0".into())], "noted once");

    let selection = Selection { device: Some("gone".into()), ..Selection::default() };
    let deletion = DeletionOrder { table: "air".into(), selection, who: "w".into(), why: "y".into() };
    opened.store.delete_rows(deletion).await.unwrap();
    let gone = correct(&opened, &trail, vec![value(2, Some("gone"), 1, "a", Some("1"))]).await.unwrap_err();
    assert!(gone.to_string().contains("there is no such row"), "{gone}");
    correct(&opened, &trail, vec![value(2, Some("pump"), 2, "a", Some("60"))]).await.unwrap();
    let expected: Seen = [50, 60, 3, 4]
        .into_iter()
        .zip(1..)
        .map(|(a, second)| (("pump".to_owned(), second), vec![(Some(a), Some("x".to_owned()))]))
        .collect();
    assert_eq!(seen(&opened), expected, "the file in the place of the one with deleted rows has none of them");
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(seen(&opened), expected);
    while opened.store.erase_hidden(opened.air(), &options(), &Arc::default()).await.unwrap().is_some() {}
    assert!(opened.store.ledger().deletions[0].pending.is_empty());
    assert_eq!(seen(&opened), expected);
}
