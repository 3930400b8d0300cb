//! What connections of this protocol leave in the table of audit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use zonelake_registry::{RoleKind, RoleLimits};
use zonelake_schemas::audit::{AuditEntry, AuditError, AuditOutcome, AuditTrail, Audited, OrderId};
use zonelake_schemas::tables::builtin_tables;

use crate::harness::Harness;
use crate::server::{TestServer, connect, failure, texts};

/// Keeps what is recorded, or cannot.
#[derive(Debug, Default)]
struct Kept {
    entries: Mutex<Vec<AuditEntry>>,
    is_full: AtomicBool,
}

impl Kept {
    fn taken(&self) -> Vec<AuditEntry> {
        std::mem::take(&mut *self.entries.lock().unwrap())
    }
}

impl AuditTrail for Kept {
    fn note(&self, entry: AuditEntry) {
        self.entries.lock().unwrap().push(entry);
    }

    fn record(&self, entry: AuditEntry) -> Audited<'_, ()> {
        let recorded = match self.is_full.load(Ordering::Relaxed) {
            true => Err(AuditError("the disk is full".into())),
            false => Ok(()),
        };
        if recorded.is_ok() {
            self.note(entry);
        }
        Box::pin(async { recorded })
    }

    fn begin(&self, _: AuditEntry) -> Audited<'_, OrderId> {
        Box::pin(async { Ok(OrderId(1)) })
    }

    fn end(&self, _: OrderId, entry: AuditEntry) -> Audited<'_, ()> {
        self.record(entry)
    }
}

async fn server() -> (TestServer, Arc<Kept>) {
    let bed = Harness::new(&builtin_tables());
    let kept = Arc::<Kept>::default();
    let trail: Arc<dyn AuditTrail> = Arc::<Kept>::clone(&kept);
    let options = bed.options();
    (TestServer::recording(bed, options, 64, Some(trail)).await, kept)
}

#[tokio::test]
async fn sign_ins_are_recorded_with_their_role_where_it_is_one() {
    let (server, kept) = server().await;
    drop(server.client().await);
    connect(server.config().password("wrong")).await.unwrap_err();
    connect(server.config().user("hunter2").password("wrong")).await.unwrap_err();
    let entries = kept.taken();
    assert!(entries.iter().all(|entry| entry.action == "sign_in" && entry.interface == "postgresql"), "{entries:?}");
    assert!(entries.iter().all(|entry| entry.peer.as_deref() == Some("127.0.0.1")), "{entries:?}");
    let told: Vec<_> = entries.iter().map(|of| (of.principal.as_deref(), of.outcome, of.reason.as_deref())).collect();
    let wrong = Some("wrong_password");
    assert_eq!(
        told,
        [
            (Some("admin"), AuditOutcome::Allowed, None),
            (Some("admin"), AuditOutcome::Refused, wrong),
            (None, AuditOutcome::Refused, wrong),
        ]
    );
}

#[tokio::test]
async fn a_statement_over_personal_data_is_recorded_before_its_rows_or_refused() {
    let (server, kept) = server().await;
    let client = server.client().await;
    kept.taken();
    for sql in [
        "select count(*) from security",
        "select device, event from security",
        "select * from environment",
        "select plate_hash from information_schema.tables where false",
    ] {
        drop(client.simple_query(sql).await);
        assert!(kept.taken().is_empty(), "{sql} reads no personal data");
    }
    for (sql, columns) in [
        ("select plate_hash from security", "security.plate_hash"),
        ("select count(*) from security where person_hash = 'x'", "security.person_hash"),
        ("select e.time from security s join environment e on e.device = s.actor", "security.actor"),
        ("with w as (select * from assets) select max(latitude) from w", "assets.latitude"),
        ("select (select max(plate_hash) from security) from assets", "security.plate_hash"),
        ("explain analyze select longitude from assets", "assets.longitude"),
    ] {
        client.simple_query(sql).await.unwrap();
        let entries = kept.taken();
        let [entry] = entries.as_slice() else { panic!("{sql}: {entries:?}") };
        assert_eq!((entry.action.as_str(), entry.principal.as_deref()), ("statement", Some("admin")));
        assert_eq!((entry.interface.as_str(), entry.peer.as_deref()), ("postgresql", Some("127.0.0.1")));
        let detail = entry.detail.as_deref().unwrap();
        assert!(detail.contains(columns) && detail.contains(sql), "{detail}");
    }
    kept.is_full.store(true, Ordering::Relaxed);
    assert_eq!(failure(&client, "select plate_hash from security").await, "53300");
    assert_eq!(texts(&client, "select count(*) from security").await, ["0"], "others go on");
    assert!(kept.taken().is_empty());
}

#[tokio::test]
async fn a_table_that_does_not_exist_for_a_role_is_recorded_as_refused_and_one_that_nobody_has_is_not() {
    let (server, kept) = server().await;
    let registry = server.bed.registry_arc();
    let password = registry.add_role_with("minh", RoleKind::Own, RoleLimits::default(), &[]).unwrap();
    let client = connect(server.config().user("minh").password(password)).await.unwrap();
    kept.taken();
    assert_eq!(failure(&client, "select * from nothing").await, "42P01");
    assert!(kept.taken().is_empty());
    assert_eq!(failure(&client, "select * from security").await, "42P01");
    assert!(client.prepare("select * from energy").await.is_err());
    let entries = kept.taken();
    let told: Vec<_> = entries.iter().map(|of| (of.principal.as_deref(), of.object.as_deref(), of.outcome)).collect();
    let refused = AuditOutcome::Refused;
    assert_eq!(told, [(Some("minh"), Some("security"), refused), (Some("minh"), Some("energy"), refused)]);
    assert!(entries.iter().all(|entry| entry.reason.as_deref() == Some("no_right")), "{entries:?}");
}
