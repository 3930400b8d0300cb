//! `zonelake spool export`.

use std::fs::File;
use std::io::Write;

use zonelake_gateway::EncodedBatch;
use zonelake_schemas::wire::control::Encoding;

use super::folder::spools;
use super::options::ExportOptions;
use crate::error::CliError;

/// Writes each batch that was put aside as a file, and leaves it where it is.
///
/// # Errors
/// Where one cannot be read, or its file cannot be made.
pub(super) fn run(options: &ExportOptions) -> Result<(), CliError> {
    std::fs::create_dir_all(&options.to)
        .map_err(|error| CliError::failed(format!("{}: {error}", options.to.display())))?;
    for (_, spool) in spools(&options.spools.folder)? {
        let ending = if spool.encoding == Encoding::Line { "lp" } else { "arrows" };
        for refused in &spool.refused {
            let batch = refused.read().map_err(|error| CliError::from_kind(error.kind(), error))?;
            let path = options.to.join(format!("{}-{}.{ending}", spool.table, refused.name));
            let written = File::create_new(&path).and_then(|mut file| {
                file.write_all(&content(&batch, spool.encoding))?;
                file.sync_all()
            });
            written.map_err(|error| CliError::failed(format!("{}: {error}", path.display())))?;
            println!("{}: {} rows", path.display(), batch.rows);
        }
    }
    Ok(())
}

/// The batch as a file: lines as they are, or the messages of an Arrow IPC stream and its end.
fn content(batch: &EncodedBatch, encoding: Encoding) -> Vec<u8> {
    if encoding == Encoding::Line {
        return batch.payload.to_vec();
    }
    let prelude = batch.prelude.schema().into_iter().chain(batch.prelude.dictionaries().map(|(_, message)| message));
    let messages = prelude.chain([&batch.payload]).flat_map(|message| message.iter().copied());
    messages.chain(END_OF_STREAM).collect()
}

/// What ends an Arrow IPC stream: a message without metadata.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
