//! One encoded batch, with what its payload refers to.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

/// A batch ready to be sent. Cloning is cheap: all bytes are shared.
#[derive(Debug, Clone)]
pub struct EncodedBatch {
    /// Schema and dictionaries in force for this payload; empty for line protocol.
    pub prelude: Prelude,
    /// One encapsulated Arrow IPC record batch message, or a block of lines.
    pub payload: Bytes,
    /// Rows in it.
    pub rows: u64,
}

/// The schema and the dictionaries that a payload was encoded with. A batch that is sent again must be sent under the
/// same ones: they count into the digest by which the server tells a repeated batch from another of the same number.
#[derive(Debug, Clone, Default)]
pub struct Prelude {
    inner: Option<Arc<PreludeInner>>,
}

#[derive(Debug)]
struct PreludeInner {
    schema: Bytes,
    dictionaries: BTreeMap<i64, Bytes>,
}

impl Prelude {
    /// A schema message, and each dictionary's id and whole message.
    pub fn new(schema: Bytes, dictionaries: BTreeMap<i64, Bytes>) -> Self {
        Self { inner: Some(Arc::new(PreludeInner { schema, dictionaries })) }
    }

    /// The schema message; `None` for line protocol.
    pub fn schema(&self) -> Option<&Bytes> {
        self.inner.as_ref().map(|inner| &inner.schema)
    }

    /// The dictionary messages, in the order of their ids.
    pub fn dictionaries(&self) -> impl Iterator<Item = (i64, &Bytes)> {
        self.inner.iter().flat_map(|inner| inner.dictionaries.iter().map(|(id, message)| (*id, message)))
    }

    /// Bytes of the schema and all dictionaries.
    pub fn bytes(&self) -> usize {
        self.schema().map_or(0, Bytes::len) + self.dictionaries().map(|(_, message)| message.len()).sum::<usize>()
    }

    /// True where both share their memory, so that holding both costs no more than one.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        match (&self.inner, &other.inner) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        }
    }
}

/// Equality of two messages; fast where they share their memory.
pub(crate) fn same_bytes(one: &Bytes, other: &Bytes) -> bool {
    (one.as_ptr() == other.as_ptr() && one.len() == other.len()) || one == other
}
