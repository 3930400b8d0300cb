//! Who has done what: the table `audit`, an entry of it, and the trail that takes entries.
//!
//! Entries are rows of the archive like any others, with a chain of hashes over them (`zonelake-storage`, `audit/chain.rs`). Whoever has
//! something to record holds an [`AuditTrail`].

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::on_repeat::OnRepeat;
use crate::table::{FieldDef, FieldKind, TableDef};

/// Name of the table of audit.
pub const AUDIT: &str = "audit";

/// Days for which entries are kept at least: twelve months.
pub const AUDIT_DAYS_MIN: u32 = 366;

/// Bytes of a text of an entry; a longer one is cut.
pub const AUDIT_TEXT_BYTES_MAX: usize = 8_192;

/// The table of audit. `time` is when the entry was made; the row is of no province, zone, site or device.
pub fn audit_table() -> TableDef {
    let text = |name: &str, description: &str| FieldDef {
        name: name.into(),
        kind: FieldKind::Text,
        unit: String::new(),
        min: None,
        max: None,
        decimals: None,
        digits: None,
        personal: None,
        description: description.into(),
    };
    TableDef {
        name: AUDIT.into(),
        rights_by: Vec::new(),
        on_repeat: OnRepeat::KeepAll,
        description: "Who has done what: sign-ins, refusals, orders of administration, and statements over personal data. Each entry has the hash of the one before it."
            .into(),
        fields: vec![
            FieldDef {
                kind: FieldKind::Bigint,
                ..text("sequence", "Number of the entry in the chain, from 1 without a gap.")
            },
            text("principal", "Role or gateway; @local for whoever may use the data folder on the machine; null where nobody was known."),
            text("principal_kind", "What the principal is: role, gateway, local, unknown."),
            text("interface", "Where it came in: http, postgresql, flight, quic, control, folder, server."),
            text("peer", "Address of the client; null where there is none."),
            text("action", "What was done or tried: sign_in, gateway_add, role_grant, delete, statement and others."),
            text("object", "What it was done to: the name of a gateway, a role, a table and the like."),
            text("outcome", "allowed, refused; unknown where the server ended before the outcome was known."),
            text("reason", "Why it was refused, or why an order was given."),
            text("detail", "More about it, as a JSON object; of a statement its text."),
            text("previous_hash", "Hash of the entry before it; of the first one 64 zeros."),
            text("hash", "SHA-256 over the hash before it and all else of the entry, in hexadecimal."),
        ],
    }
}

/// What the principal of an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A user of SQL, or an administrator.
    Role,
    /// A gateway.
    Gateway,
    /// Whoever may use the data folder on the machine.
    Local,
    /// Nobody who is known.
    #[default]
    Unknown,
}

impl PrincipalKind {
    /// Name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Gateway => "gateway",
            Self::Local => "local",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Role, Self::Gateway, Self::Local, Self::Unknown].into_iter().find(|kind| kind.name() == name)
    }
}

/// What has become of what an entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was done.
    Allowed,
    /// It was not done.
    Refused,
    /// The process ended before it was known.
    #[default]
    Unknown,
}

impl AuditOutcome {
    /// Name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// The outcome of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Allowed, Self::Refused, Self::Unknown].into_iter().find(|outcome| outcome.name() == name)
    }
}

/// One entry, without its place in the chain. No part of it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Name of the role or gateway.
    pub principal: Option<String>,
    /// What it is.
    pub principal_kind: PrincipalKind,
    /// Where it came in.
    pub interface: String,
    /// Address of the client.
    pub peer: Option<String>,
    /// What was done or tried.
    pub action: String,
    /// What it was done to.
    pub object: Option<String>,
    /// What has become of it.
    pub outcome: AuditOutcome,
    /// Why.
    pub reason: Option<String>,
    /// More about it, a JSON object.
    pub detail: Option<String>,
}

impl AuditEntry {
    /// An entry of somebody over an interface.
    pub fn new(interface: impl Into<String>, action: impl Into<String>, outcome: AuditOutcome) -> Self {
        Self { interface: interface.into(), action: action.into(), outcome, ..Self::default() }
    }

    /// The same of a role.
    #[must_use]
    pub fn of_role(self, name: &str) -> Self {
        Self { principal: Some(name.to_owned()), principal_kind: PrincipalKind::Role, ..self }
    }

    /// The same of a gateway.
    #[must_use]
    pub fn of_gateway(self, name: &str) -> Self {
        Self { principal: Some(name.to_owned()), principal_kind: PrincipalKind::Gateway, ..self }
    }

    /// The same from an address.
    #[must_use]
    pub fn from_peer(self, peer: Option<IpAddr>) -> Self {
        Self { peer: peer.map(|peer| peer.to_string()), ..self }
    }

    /// The same about an object.
    #[must_use]
    pub fn about(self, object: impl Into<String>) -> Self {
        Self { object: Some(object.into()), ..self }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}

/// The beginning of a text, at most [`AUDIT_TEXT_BYTES_MAX`] bytes of it.
pub fn cut_text(text: &str) -> &str {
    &text[..text.floor_char_boundary(AUDIT_TEXT_BYTES_MAX)]
}

/// Reason for which an entry is not durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditError(pub String);

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the table {AUDIT} cannot be written: {}", self.0)
    }
}

impl std::error::Error for AuditError {}

/// What a trail has to say once an entry is durable, or cannot be.
pub type Audited<'a, T> = Pin<Box<dyn Future<Output = Result<T, AuditError>> + Send + 'a>>;

/// An order that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// Takes entries of the table of audit.
pub trait AuditTrail: fmt::Debug + Send + Sync {
    /// Takes an entry that nobody waits for, as of a sign-in. Of entries that are the same but for their detail only the first is written
    /// at once; how many more there were is written later.
    fn note(&self, entry: AuditEntry);

    /// Writes an entry: durable when this returns.
    fn record(&self, entry: AuditEntry) -> Audited<'_, ()>;

    /// Notes durably that an order is about to be carried out. What ends before [`end`](Self::end) is recorded with an unknown outcome.
    /// An order that cannot be begun must not be carried out.
    fn begin(&self, entry: AuditEntry) -> Audited<'_, OrderId>;

    /// Writes what has become of an order: durable when this returns.
    fn end(&self, order: OrderId, entry: AuditEntry) -> Audited<'_, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::is_written_by_server;
    use crate::tables::builtin_tables;

    #[test]
    fn the_table_of_audit_is_one_that_the_server_alone_writes() {
        assert!(is_written_by_server(&audit_table()));
        assert!(builtin_tables().iter().all(|table| !is_written_by_server(table)));
    }

    #[test]
    fn names_read_back() {
        for kind in [PrincipalKind::Role, PrincipalKind::Gateway, PrincipalKind::Local, PrincipalKind::Unknown] {
            assert_eq!(PrincipalKind::from_name(kind.name()), Some(kind));
        }
        for outcome in [AuditOutcome::Allowed, AuditOutcome::Refused, AuditOutcome::Unknown] {
            assert_eq!(AuditOutcome::from_name(outcome.name()), Some(outcome));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let text = "đ".repeat(AUDIT_TEXT_BYTES_MAX);
        assert_eq!(cut_text(&text).len(), AUDIT_TEXT_BYTES_MAX);
        assert_eq!(cut_text("short"), "short");
        let odd = format!("a{text}");
        assert_eq!(cut_text(&odd).len(), AUDIT_TEXT_BYTES_MAX - 1);
    }
}
