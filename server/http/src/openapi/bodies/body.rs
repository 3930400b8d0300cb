//! What a body is told with.

/// Object of a body.
#[derive(Debug, Clone, Copy)]
pub(in crate::openapi) struct Body {
    /// Name of the schema, that of its type.
    pub(in crate::openapi) name: &'static str,
    /// What it is.
    pub(in crate::openapi) description: &'static str,
    /// Members.
    pub(in crate::openapi) members: &'static [Member],
}

/// Member of an object: its name, its type, whether it may be absent, and what it is. A type is `string`, `integer`, `number`,
/// `boolean`, `scalar` (one of these or null), `object`, the name of another schema, one of these in brackets for a list, or with a
/// question mark where it may be null.
pub(in crate::openapi) type Member = (&'static str, &'static str, bool, &'static str);

/// True for a member that may be absent.
pub(super) const MAY_BE_ABSENT: bool = true;
/// True for a member that may be absent; this one may not.
pub(super) const NEEDED: bool = false;
