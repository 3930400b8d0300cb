//! Orders of administration over a real store: each is in the table of audit before it is answered, or in a file until it is.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use tower::ServiceExt;
use zonelake_http::{admin_routes, audited};
use zonelake_ingest::AuditLog;
use zonelake_schemas::audit::{AuditEntry, AuditOutcome, AuditTrail};
use zonelake_storage::{AuditRow, ChainCheck, PendingOrders, Store};
use zonelake_wal::RealDisk;

use crate::fixture::{Running, Setting};

async fn log_of(setting: &Setting, running: &Running) -> AuditLog {
    let store = running.store();
    let pending = PendingOrders::of(Arc::new(RealDisk), &setting.data(), Arc::clone(store.clock()));
    AuditLog::start(Arc::clone(running.pipeline()), store.audit_end().await, pending).await.unwrap()
}

fn routes(running: &Running, log: &AuditLog) -> Router {
    audited(admin_routes(Arc::clone(running.store().registry())), Arc::new(log.clone()), "control")
}

async fn order(routes: &Router, method: Method, path: &str, body: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
    let response = routes.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Entries that are live, in their order.
fn entries(store: &Store) -> Vec<AuditRow> {
    let view = store.audit().view();
    let mut rows: Vec<AuditRow> = view.chunks().flat_map(|chunk| AuditRow::from_batch(&chunk.rows).unwrap()).collect();
    rows.sort_by_key(|row| row.sequence);
    rows
}

fn length_of_chain(store: &Store) -> i64 {
    let mut check = ChainCheck::default();
    entries(store).iter().for_each(|row| check.take(row));
    check.finish(false).unwrap().sequence
}

fn files(setting: &Setting) -> usize {
    std::fs::read_dir(setting.data().join("audit/pending")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_come_together_are_one_chain_over_restarts() {
    let setting = Setting::new();
    for round in 1..=3 {
        let running = setting.start().await;
        let log = log_of(&setting, &running).await;
        let records = (0..200).map(|number| {
            let log = log.clone();
            tokio::spawn(async move {
                let entry = AuditEntry::new("http", "statement", AuditOutcome::Allowed).about(number.to_string());
                log.record(entry).await.unwrap();
            })
        });
        for record in records.collect::<Vec<_>>() {
            record.await.unwrap();
        }
        assert_eq!(length_of_chain(running.store()), round * 200, "all are durable, and none is there twice");
        log.stop().await;
        running.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_recorded_before_it_is_answered_also_one_that_is_refused_or_only_tried() {
    let setting = Setting::new();
    let running = setting.start().await;
    let log = log_of(&setting, &running).await;
    let routes = routes(&running, &log);
    let (status, added) =
        order(&routes, Method::POST, "/api/v1/gateways", r#"{"name": "north", "zone": "vung-ang"}"#).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    assert_eq!(entries(running.store()).len(), 1, "it is there when the answer is");
    let (status, _) = order(&routes, Method::POST, "/api/v1/gateways", r#"{"name": "north", "zone": "nowhere"}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    // A body that the route does not read makes no order a try.
    let (status, _) = order(&routes, Method::DELETE, "/api/v1/gateways/north", r#"{"dry_run": true}"#).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(order(&routes, Method::GET, "/api/v1/gateways", "").await.0, StatusCode::OK);
    let told: Vec<_> = entries(running.store()).into_iter().map(|row| row.texts).collect();
    let text = |row: usize, at: usize| told[row][at].as_deref();
    assert_eq!(told.len(), 3, "reading is no order: {told:?}");
    for (row, (action, outcome)) in
        [("gateway_add", "allowed"), ("gateway_add", "refused"), ("gateway_revoke", "allowed")].into_iter().enumerate()
    {
        assert_eq!((text(row, 0), text(row, 2)), (Some("@local"), Some("control")));
        assert_eq!((text(row, 4), text(row, 5), text(row, 6)), (Some(action), Some("north"), Some(outcome)));
    }
    assert!(text(1, 7).is_some_and(|why| !why.is_empty()), "{told:?}");
    let token: serde_json::Value = serde_json::from_str(&added).unwrap();
    assert!(!format!("{told:?}").contains(token["token"].as_str().unwrap()));
    assert_eq!(files(&setting), 0);
    log.stop().await;
    running.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_entry_finds_no_room_waits_in_a_file_and_one_that_cannot_wait_there_is_not_carried_out() {
    let mut setting = Setting::new();
    setting.free_bytes_min = u64::MAX;
    let running = setting.start().await;
    let log = log_of(&setting, &running).await;
    let own = routes(&running, &log);
    let body = r#"{"name": "north", "zone": "vung-ang"}"#;
    assert_eq!(order(&own, Method::POST, "/api/v1/gateways", body).await.0, StatusCode::CREATED);
    assert_eq!((entries(running.store()).len(), files(&setting)), (0, 1));
    // A file stands in the place of the folder.
    std::fs::remove_dir_all(setting.data().join("audit")).unwrap();
    std::fs::write(setting.data().join("audit"), "").unwrap();
    let (status, said) = order(&own, Method::DELETE, "/api/v1/gateways/north", "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    assert!(said.contains("not_recorded") && said.contains("nothing was done"), "{said}");
    let gateways = running.store().registry().gateways().unwrap();
    assert!(gateways.iter().any(|gateway| gateway.name == "north" && gateway.revoked_us.is_none()));
    // There is room again.
    std::fs::remove_file(setting.data().join("audit")).unwrap();
    assert_eq!(order(&own, Method::DELETE, "/api/v1/gateways/north", "").await.0, StatusCode::NO_CONTENT);
    log.stop().await;
    running.shut_down().await;
    drop((own, log));
    setting.free_bytes_min = 0;
    let running = setting.start().await;
    let log = log_of(&setting, &running).await;
    let told = entries(running.store());
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].texts[4].as_deref(), told[0].texts[6].as_deref()), (Some("gateway_revoke"), Some("allowed")));
    assert_eq!((length_of_chain(running.store()), files(&setting)), (1, 0));
    log.stop().await;
    running.shut_down().await;
}
