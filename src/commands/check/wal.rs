//! The write-ahead log: every block of every segment of the shards in force.

use std::collections::HashMap;
use std::path::Path;

use zonelake_storage::WalGeneration;
use zonelake_wal::{RealDisk, inspect};

use super::report::Report;

/// Reads all segments. Returns, by the name that a shard has in table logs, the LSN that its next record gets.
pub(super) fn check(wal: &Path, report: &mut Report) -> HashMap<String, u64> {
    let mut ends = HashMap::new();
    let layout = match WalGeneration::read(&RealDisk, wal) {
        Ok(Some(layout)) => layout,
        // A folder that was made and never served has no log yet.
        Ok(None) => return ends,
        Err(error) => {
            report.problems.push(format!("log: {error}"));
            return ends;
        }
    };
    for shard in layout.shard_ids() {
        report.wal.shards += 1;
        let folder = layout.shard_folder(wal, shard);
        let found = match inspect(&RealDisk, &folder) {
            Ok(found) => found,
            Err(error) => {
                report.problems.push(format!("log of shard {shard}: {error}"));
                continue;
            }
        };
        report.wal.segments += found.segments.len() as u64;
        report.wal.records += found.records();
        report.wal.payload_bytes += found.segments.iter().map(|segment| segment.payload_bytes).sum::<u64>();
        report.wal.torn_tails += u64::from(found.torn_tail.is_some());
        report.wal.spare_bytes += found.spare_bytes;
        report.problems.extend(found.damages.iter().map(ToString::to_string));
        match found.next_lsn() {
            Some(next) => {
                ends.insert(format!("shard-{:04}", shard.0), next.0);
            }
            None => report.problems.push(format!("log of shard {shard}: {} has no segment", folder.display())),
        }
    }
    ends
}
