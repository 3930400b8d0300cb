//! What a source is known by as a whole: at a server without a ledger the name of its producer. The same content and
//! mapping give the same name, so that pushing them again finds the server's numbers and adds nothing.
//!
//! `push:` and the first 32 hexadecimal digits of SHA-256 over: a version, the form, the mapping in one fixed form, the
//! file's name where rows depend on it, each behind its length (u64, little-endian), and the content, behind its name where it
//! comes from standard input.

use sha2::{Digest, Sha256};

use crate::error::PushError;
use crate::mapping::declaration::Mapping;
use crate::mapping::time::Epoch;
use crate::source::open::{OpenSource, PushFormat};

/// Grows when the same content and mapping are cut into other batches than before.
const VERSION: &str = "1";

/// What a source is known by. Its whole content is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Producer of its batches, where the server has no ledger.
    pub(crate) producer: String,
    /// Digest of the content alone.
    pub(crate) content: Vec<u8>,
}

impl Identity {
    pub(crate) fn of(source: &mut OpenSource, mapping: &Mapping, precision: Epoch) -> Result<Self, PushError> {
        let (mut hash, mut content_hash) = (Sha256::new(), Sha256::new());
        let what = match source.format {
            PushFormat::Line => format!("lines in {}", precision.name()),
            _ => mapping.canonical(),
        };
        let form = match source.format {
            PushFormat::Csv => "csv",
            PushFormat::Excel => "excel",
            PushFormat::Parquet => "parquet",
            PushFormat::Arrow => "arrow",
            PushFormat::Line => "line",
        };
        let name = if mapping.takes_file_name() || !source.is_file() { source.stem.as_str() } else { "" };
        let content = if source.is_file() { "content" } else { "name" };
        // Each part stands after its length, so that two different lists of parts never give the same bytes.
        for part in [VERSION, form, &what, name, content] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        source.feed(|bytes| {
            hash.update(bytes);
            content_hash.update(bytes);
        })?;
        let digits: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let content = content_hash.finalize()[..16].to_vec();
        Ok(Self { producer: format!("push:{digits}"), content })
    }
}
