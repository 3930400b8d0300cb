//! Memory of prepared statements, by role. Clients prepare as many as they like and rarely close them; a text of 300 kB has a tree
//! of 56 MB. So texts have a bound, and trees are kept for as many of them as fit; the others are parsed again when they
//! are used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{QueryError, QueryErrorCode};

/// Bytes of the texts and bound values of a role's prepared statements, over all its connections.
const TEXT_BYTES_MAX: usize = 32 << 20;
/// Bytes of the trees that are kept of them.
const TREE_BYTES_MAX: usize = 32 << 20;
/// Bytes of a tree for each byte of its text, taken from lists of numbers, whose texts are the densest: 56 MB for 300 kB of text.
const TREE_BYTES_PER_TEXT_BYTE: usize = 200;
/// Bytes of a statement beside its text.
const STATEMENT_BYTES: usize = 512;

/// Memory of the prepared statements of all roles.
#[derive(Debug, Default)]
pub struct PreparedMemory {
    roles: Mutex<HashMap<Arc<str>, Used>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Used {
    texts: usize,
    trees: usize,
}

/// Part of a role's memory; dropping it frees it.
#[derive(Debug)]
pub struct PreparedShare {
    memory: Arc<PreparedMemory>,
    role: Arc<str>,
    used: Used,
}

impl PreparedMemory {
    /// Reserves memory for the text of a statement.
    ///
    /// # Errors
    /// [`QueryErrorCode::TooLarge`] with SQLSTATE 53400 where the role has too many prepared statements.
    pub fn reserve_text(self: &Arc<Self>, role: &Arc<str>, text: &str) -> Result<PreparedShare, QueryError> {
        self.reserve_bytes(role, text.len() + STATEMENT_BYTES)
    }

    /// Reserves memory for values that are bound to a statement.
    ///
    /// # Errors
    /// As [`Self::reserve_text`].
    pub fn reserve_bytes(self: &Arc<Self>, role: &Arc<str>, bytes: usize) -> Result<PreparedShare, QueryError> {
        self.reserve(role, Used { texts: bytes, trees: 0 }).ok_or_else(|| {
            let message = format!(
                "the prepared statements of role \"{role}\" would take more than {} MiB; close those that are not used",
                TEXT_BYTES_MAX >> 20
            );
            QueryError::new(QueryErrorCode::TooLarge, message).with_sqlstate("53400")
        })
    }

    /// Reserves memory for the tree of a statement; none where it is not to be kept.
    pub fn reserve_tree(self: &Arc<Self>, role: &Arc<str>, text: &str) -> Option<PreparedShare> {
        self.reserve(role, Used { texts: 0, trees: text.len().saturating_mul(TREE_BYTES_PER_TEXT_BYTE) })
    }

    fn reserve(self: &Arc<Self>, role: &Arc<str>, more: Used) -> Option<PreparedShare> {
        let mut roles = self.roles();
        let of_role = roles.get(role).copied().unwrap_or_default();
        let used = Used {
            texts: of_role.texts.checked_add(more.texts).filter(|bytes| *bytes <= TEXT_BYTES_MAX)?,
            trees: of_role.trees.checked_add(more.trees).filter(|bytes| *bytes <= TREE_BYTES_MAX)?,
        };
        roles.insert(Arc::clone(role), used);
        Some(PreparedShare { memory: Arc::clone(self), role: Arc::clone(role), used: more })
    }

    fn roles(&self) -> MutexGuard<'_, HashMap<Arc<str>, Used>> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PreparedShare {
    fn drop(&mut self) {
        let mut roles = self.memory.roles();
        let Some(of_role) = roles.get_mut(&self.role) else { return };
        of_role.texts = of_role.texts.saturating_sub(self.used.texts);
        of_role.trees = of_role.trees.saturating_sub(self.used.trees);
        if *of_role == Used::default() {
            roles.remove(&self.role);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_a_bound_by_role_and_trees_are_kept_while_they_fit() {
        let memory = Arc::new(PreparedMemory::default());
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let text = "x".repeat(300_000);
        assert!(memory.reserve_tree(&one, &text).is_none(), "its tree would be 60 MB");
        let small = "x".repeat(100_000);
        let tree = memory.reserve_tree(&one, &small).expect("20 MB fit");
        assert!(memory.reserve_tree(&one, &small).is_none());
        let texts: Vec<_> = (0..111).map(|_| memory.reserve_text(&one, &text).expect("33 MB")).collect();
        let refused = memory.reserve_text(&one, &text).expect_err("one too many");
        assert_eq!((refused.code, refused.narrow_sqlstate()), (QueryErrorCode::TooLarge, Some("53400")));
        drop(memory.reserve_text(&other, &text).expect("another role has its own"));
        drop((texts, tree));
        assert!(memory.roles().is_empty());
    }
}
