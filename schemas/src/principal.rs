//! Principals: who a stored batch or request belongs to.

use std::fmt;

use crate::ids::{GatewayId, RoleId};

/// Owner of a batch or a request, by the registry's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A gateway, which writes for its zone.
    Gateway(GatewayId),
    /// A role, a user of SQL.
    Role(RoleId),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(id) => write!(f, "gateway {id}"),
            Self::Role(id) => write!(f, "role {id}"),
        }
    }
}
