//! `zonelake spool list`.

use zonelake_schemas::Lane;

use super::folder::spools;
use super::options::FolderOptions;
use crate::error::CliError;

/// Prints each lane of each spool, and each batch that was put aside.
///
/// # Errors
/// Where a spool cannot be read.
pub(super) fn run(options: &FolderOptions) -> Result<(), CliError> {
    for (path, spool) in spools(&options.folder)? {
        println!("{}: producer {}, table {}, epoch {}", path.display(), spool.producer, spool.table, spool.epoch);
        for lane in &spool.lanes {
            let name = if lane.lane == Lane::Live { "live" } else { "backfill" };
            println!(
                "  {name}: at most {} batches wait, {} bytes on disk, the last is {}",
                lane.batches, lane.bytes, lane.last
            );
        }
        for batch in &spool.refused {
            let reason = if batch.reason.is_empty() { "the reason was not noted" } else { &batch.reason };
            println!("  refused {}: {} bytes: {reason}", batch.name, batch.bytes);
        }
    }
    Ok(())
}
