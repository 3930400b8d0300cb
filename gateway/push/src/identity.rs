//! The name under which a source is pushed: the same content and mapping give the same name, so that pushing them again
//! finds the server's numbers and adds nothing.
//!
//! `push:` and the first 32 hexadecimal digits of SHA-256 over: a version, the form, the mapping in one fixed form, the
//! file's name where rows depend on it, each behind its length (u64, little-endian), and the content. For standard
//! input, its name stands for the content.

use sha2::{Digest, Sha256};

use crate::error::PushError;
use crate::mapping::Mapping;
use crate::source::open::{OpenSource, PushFormat};
use crate::time_mapping::Epoch;

/// Grows when the same content and mapping are cut into other batches than before.
const VERSION: &str = "1";

/// The producer name of a source. Reads its whole content.
pub(crate) fn producer_name(source: &mut OpenSource, mapping: &Mapping, precision: Epoch) -> Result<String, PushError> {
    let mut hash = Sha256::new();
    let what = match source.format {
        PushFormat::Line => format!("lines in {}", precision.name()),
        _ => mapping.canonical(),
    };
    let form = match source.format {
        PushFormat::Csv => "csv",
        PushFormat::Parquet => "parquet",
        PushFormat::Arrow => "arrow",
        PushFormat::Line => "line",
    };
    let name = if mapping.takes_file_name() { source.stem.as_str() } else { "" };
    let content = if source.is_file() { "content" } else { "name" };
    // Each part stands after its length, so that two different lists of parts never give the same bytes.
    for part in [VERSION, form, &what, name, content] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    source.feed(|bytes| hash.update(bytes))?;
    let digits: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("push:{digits}"))
}
