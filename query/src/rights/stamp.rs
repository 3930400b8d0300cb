//! Rights that something was made under which is kept: a description of columns, a prepared statement.

use std::fmt;
use std::sync::Arc;

use zonelake_registry::{Registry, Role};

use crate::error::{QueryError, QueryErrorCode};

/// Rights of a role at a moment.
#[derive(Clone)]
pub struct RightsStamp {
    role: Arc<Role>,
}

impl RightsStamp {
    /// Rights of a role as it is now.
    pub(crate) fn new(role: Arc<Role>) -> Self {
        Self { role }
    }

    /// Refuses what was made under these rights, where the role has others by now.
    ///
    /// # Errors
    /// [`QueryErrorCode::NotAllowed`] where it has.
    pub fn check(&self, registry: &Registry) -> Result<(), QueryError> {
        if registry.role(&self.role.name).is_some_and(|now| now.has_rights_of(&self.role)) {
            return Ok(());
        }
        let message = format!("the rights of role \"{}\" have changed: prepare the statement again", self.role.name);
        Err(QueryError::new(QueryErrorCode::NotAllowed, message).with_sqlstate("0A000"))
    }
}

impl fmt::Debug for RightsStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RightsStamp").field("role", &self.role.name).finish_non_exhaustive()
    }
}
