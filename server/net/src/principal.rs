//! Principal: the user or gateway that a credential belongs to.

use std::sync::Arc;

use zonelake_registry::Gateway;

/// Owner of a credential.
#[derive(Debug, Clone)]
pub enum Principal {
    /// Role, a user of SQL, by name.
    Role(Arc<str>),
    /// Gateway, which writes to the tables of its zone.
    Gateway(Arc<Gateway>),
}
