//! Open connections: who they are of, what they do, and how another one cancels their statement or ends them.
//!
//! A request to cancel comes over a connection of its own, and names the other one by its process id and a random secret, as
//! BackendKeyData has told them. SQL names it by its process id alone, within one's own role.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use subtle::ConstantTimeEq;
use tokio::sync::Notify;
use zonelake_schemas::audit::{AuditEntry, AuditOutcome, AuditTrail};

use crate::protocol::messages::TransactionStatus;

/// Open connections by their process ids.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    connections: Mutex<Connections>,
    /// Where it is noted who has ended what of others.
    audit: Option<Arc<dyn AuditTrail>>,
}

#[derive(Debug, Default)]
struct Connections {
    last_id: i32,
    by_id: BTreeMap<i32, Arc<Backend>>,
}

/// An open connection, as others see it.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Process id by which clients know the connection.
    pub process_id: i32,
    /// Secret that a request to cancel must name as well.
    pub secret: i32,
    /// Name of the role.
    pub user: Arc<str>,
    /// Address of the client.
    pub address: IpAddr,
    /// Signal of a request to cancel the statement.
    pub cancel_requested: Notify,
    /// Signal of a request to end the connection.
    pub end_requested: Notify,
    activity: Mutex<Activity>,
}

/// What a connection does. Times are µs since 1970.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity {
    /// Name that the client's program gives itself.
    pub application_name: String,
    /// Start of the connection.
    pub connected_us: i64,
    /// Beginning of the text that is executed, or was executed last.
    pub query: String,
    /// Start of that text's execution; none before the first one.
    pub query_us: Option<i64>,
    /// Last change of the state.
    pub changed_us: i64,
    /// What the connection waits for; none while a statement is executed.
    pub idle: Option<TransactionStatus>,
}

/// Registration of a connection, which ends when dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    /// All connections.
    pub all: Arc<Backends>,
    /// This one.
    pub own: Arc<Backend>,
}

/// What is asked of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    /// To cancel its statement.
    Cancel,
    /// To end.
    End,
}

/// Who asks something of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asker {
    /// Name of the role.
    pub name: Arc<str>,
    /// Address of the client.
    pub peer: Option<IpAddr>,
    /// True for an administrator, who may ask it of connections of all roles.
    pub is_admin: bool,
}

/// Characters of a text that are kept.
const QUERY_CHARS_MAX: usize = 1_024;

impl Backends {
    /// No connections yet.
    pub(crate) fn recording(audit: Option<Arc<dyn AuditTrail>>) -> Self {
        Self { audit, ..Self::default() }
    }

    /// Registers a new connection.
    pub(crate) fn register(self: &Arc<Self>, secret: i32, user: Arc<str>, address: IpAddr) -> Registration {
        let mut connections = self.lock();
        let mut process_id = connections.last_id;
        loop {
            // After 2³¹ connections ids start again, and those of open connections are skipped.
            process_id = process_id.checked_add(1).unwrap_or(1);
            if !connections.by_id.contains_key(&process_id) {
                break;
            }
        }
        connections.last_id = process_id;
        let own = Arc::new(Backend {
            process_id,
            secret,
            user,
            address,
            cancel_requested: Notify::new(),
            end_requested: Notify::new(),
            activity: Mutex::default(),
        });
        connections.by_id.insert(process_id, Arc::clone(&own));
        Registration { all: Arc::clone(self), own }
    }

    /// Asks a connection to cancel its statement; a request with a wrong secret has no effect.
    pub(crate) fn cancel(&self, process_id: i32, secret: i32) {
        if let Some(backend) = self.lock().by_id.get(&process_id)
            && bool::from(backend.secret.ct_eq(&secret))
        {
            backend.request(Request::Cancel);
        }
    }

    /// Asks a connection of the same role, or of any where an administrator asks; `false` where there is no such connection.
    pub(crate) fn request(&self, process_id: i32, by: &Asker, request: Request) -> bool {
        let found = self.lock().by_id.get(&process_id).filter(|found| by.is_admin || found.user == by.name).cloned();
        let Some(backend) = found else { return false };
        backend.request(request);
        if let Some(audit) = self.audit.as_ref().filter(|_| backend.user != by.name) {
            let entry = AuditEntry::new("postgresql", request.action(), AuditOutcome::Allowed);
            audit.note(entry.of_role(&by.name).about(&*backend.user).from_peer(by.peer));
        }
        true
    }

    /// Connections of this role, or all of them where there is none.
    pub(crate) fn list(&self, of: Option<&str>) -> Vec<Arc<Backend>> {
        let connections = self.lock();
        connections.by_id.values().filter(|found| of.is_none_or(|role| *found.user == *role)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        // A panic under the lock leaves the table whole: each change of it is one call.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request {
    /// Action in the table of audit.
    fn action(self) -> &'static str {
        match self {
            Self::Cancel => "statement_cancel",
            Self::End => "connection_end",
        }
    }
}

impl Backend {
    /// What the connection does now.
    pub(crate) fn activity(&self) -> Activity {
        self.lock().clone()
    }

    /// Notes the start of the connection.
    pub(crate) fn connected(&self, now_us: i64) {
        let mut activity = self.lock();
        (activity.connected_us, activity.changed_us) = (now_us, now_us);
        activity.idle = Some(TransactionStatus::Idle);
    }

    /// Notes the name of the client's program.
    pub(crate) fn named(&self, application_name: &str) {
        application_name.clone_into(&mut self.lock().application_name);
    }

    /// Notes that a text is executed.
    pub(crate) fn executes(&self, text: &str, now_us: i64) {
        let mut activity = self.lock();
        activity.query = text.chars().take(QUERY_CHARS_MAX).collect();
        (activity.query_us, activity.changed_us, activity.idle) = (Some(now_us), now_us, None);
    }

    /// Notes that the connection waits for its client.
    pub(crate) fn waits(&self, status: TransactionStatus, now_us: i64) {
        let mut activity = self.lock();
        if activity.idle != Some(status) {
            (activity.changed_us, activity.idle) = (now_us, Some(status));
        }
    }

    fn request(&self, request: Request) {
        // The permit is kept until the connection waits: the request may come between two batches of rows.
        match request {
            Request::Cancel => self.cancel_requested.notify_one(),
            Request::End => self.end_requested.notify_one(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Activity {
    /// State in PostgreSQL's words.
    pub(crate) fn state(&self) -> &'static str {
        match self.idle {
            None => "active",
            Some(TransactionStatus::Idle) => "idle",
            Some(TransactionStatus::Open) => "idle in transaction",
            Some(TransactionStatus::Failed) => "idle in transaction (aborted)",
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.all.lock().by_id.remove(&self.own.process_id);
    }
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::audit::{Audited, OrderId};

    use super::*;

    /// Keeps what is noted.
    #[derive(Debug, Default)]
    struct Noted(Mutex<Vec<AuditEntry>>);

    impl AuditTrail for Noted {
        fn note(&self, entry: AuditEntry) {
            self.0.lock().unwrap().push(entry);
        }

        fn record(&self, entry: AuditEntry) -> Audited<'_, ()> {
            self.note(entry);
            Box::pin(async { Ok(()) })
        }

        fn begin(&self, _: AuditEntry) -> Audited<'_, OrderId> {
            Box::pin(async { Ok(OrderId(1)) })
        }

        fn end(&self, _: OrderId, entry: AuditEntry) -> Audited<'_, ()> {
            self.record(entry)
        }
    }

    #[test]
    fn who_ends_the_connection_of_another_role_is_recorded_and_ones_own_is_ones_own_affair() {
        let noted = Arc::<Noted>::default();
        let trail: Arc<dyn AuditTrail> = Arc::<Noted>::clone(&noted);
        let all = Arc::new(Backends::recording(Some(trail)));
        let here = IpAddr::from([127, 0, 0, 1]);
        let of_minh = all.register(7, "minh".into(), here);
        let id = of_minh.own.process_id;
        let asker = |name: &str, is_admin| Asker { name: name.into(), peer: Some(here), is_admin };
        assert!(all.request(id, &asker("minh", false), Request::Cancel));
        assert!(!all.request(id, &asker("lan", false), Request::End), "it does not exist for another role");
        assert!(noted.0.lock().unwrap().is_empty());
        assert!(all.request(id, &asker("admin", true), Request::Cancel));
        assert!(all.request(id, &asker("admin", true), Request::End));
        let entries = noted.0.lock().unwrap();
        let told: Vec<_> =
            entries.iter().map(|of| (of.principal.as_deref(), &*of.action, of.object.as_deref())).collect();
        let (admin, minh) = (Some("admin"), Some("minh"));
        assert_eq!(told, [(admin, "statement_cancel", minh), (admin, "connection_end", minh)]);
        assert!(entries.iter().all(|entry| entry.peer.as_deref() == Some("127.0.0.1")));
    }
}
