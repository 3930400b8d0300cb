//! Fields added to a table that has rows, in the log and in files.

use crate::made::{Folder, ONE_FIELD, TWO_FIELDS, instants, once};

#[tokio::test]
async fn old_rows_read_as_null_in_an_added_field_whether_they_were_in_the_log_or_in_files() {
    let mut folder = Folder::new();
    let mut opened = folder.open().await;
    opened.append(1, 1, &[1.0]);
    opened.store.flush_all().await.unwrap();
    opened.append(1, 2, &[2.0]);
    drop(opened);

    folder.declared = TWO_FIELDS;
    let mut opened = folder.open().await;
    assert_eq!(opened.air().registered.version.0, 2);
    opened.append(1, 3, &[3.0]);
    assert_eq!(opened.values(), once(1..=3));
    let view = opened.air().view();
    for chunk in view.chunks() {
        assert_eq!(chunk.rows.schema(), opened.air().registered.schemas.live);
        assert_eq!(chunk.rows.column_by_name("b").unwrap().null_count(), chunk.rows.num_rows());
    }
    assert_eq!(view.live_rows(), 2);
    drop(opened);

    let opened = folder.open().await;
    opened.store.flush_all().await.unwrap();
    assert_eq!(opened.values(), once(1..=3));
    assert_eq!(instants(opened.air(), "time").len(), 3);
}

#[tokio::test]
async fn a_change_that_would_misread_stored_rows_is_refused_by_name() {
    let mut folder = Folder::new();
    folder.declared = TWO_FIELDS;
    drop(folder.open().await);
    folder.declared = ONE_FIELD;
    let error = folder.try_open().await.err().expect("a stored field is no longer declared").to_string();
    assert!(error.contains("air") && error.contains("field b"), "{error}");
}
