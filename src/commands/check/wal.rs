//! The write-ahead log: every block and every record of the shards in force, and what they refer to.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use zonelake_registry::{RegisteredTable, marks_of_file};
use zonelake_schemas::{NodeNumber, RegistryMarks, ShardId, ShardNumber, TableId};
use zonelake_storage::record::{RECORD_VERSION, RecordError, check_record, set_aside_segments};
use zonelake_storage::{FolderFormat, WalGeneration};
use zonelake_wal::{RealDisk, ReplayedRecord, WalReport, aside_file, inspect_records};

use super::audit::AuditCheck;
use super::report::Report;

/// What the registry says, which the records are compared with.
pub(super) struct Registered {
    /// Tables by id.
    pub(super) tables: BTreeMap<TableId, Arc<RegisteredTable>>,
    /// Maximum ids; `None` where the registry cannot be read, of which the report speaks already.
    pub(super) marks: Option<RegistryMarks>,
    /// Number of the node.
    pub(super) node_number: Option<NodeNumber>,
}

/// Reads all segments. Returns, by the name that a shard has in table logs, the LSN that its next record gets.
pub(super) fn check(
    wal: &Path,
    registry: &Path,
    mut registered: Registered,
    audit: &mut AuditCheck,
    report: &mut Report,
) -> HashMap<String, u64> {
    let mut ends = HashMap::new();
    let (format, layout) = match (FolderFormat::read(&RealDisk, wal), WalGeneration::read(&RealDisk, wal)) {
        (Ok(format), Ok(Some(layout))) => (format, layout),
        // A folder that was made and never served has no WAL yet.
        (Ok(_), Ok(None)) => return ends,
        (Err(error), _) => {
            report.problems.push(format!("log: {error}"));
            return ends;
        }
        (_, Err(error)) => {
            report.problems.push(format!("log: {error}"));
            return ends;
        }
    };
    let of_wal = format.map(|format| format.node_number);
    let node_number = of_wal.or(registered.node_number);
    if let (Some(own), Some(other)) = (of_wal, registered.node_number)
        && own != other
    {
        report.problems.push(format!(
            "log: it is that of node number {own}, and the registry is that of node number {other}: they are not of one folder"
        ));
    }
    for shard in layout.shard_ids() {
        report.wal.shards += 1;
        let folder = layout.shard_folder(wal, shard);
        let mut records =
            Records { registry, registered: &mut registered, audit: &mut *audit, problems: Vec::new(), further: 0 };
        let found = match inspect_records(&RealDisk, &folder, &mut |record| records.check(&record)) {
            Ok(found) => found,
            Err(error) => {
                report.problems.push(format!("log of shard {shard}: {error}"));
                continue;
            }
        };
        let Records { problems, further, .. } = records;
        report.problems.extend(problems);
        if further > 0 {
            report.problems.push(format!("log of shard {shard}: {further} further records are not sound"));
        }
        report.add_wal(&found);
        let number = node_number.map_or(ShardNumber(0), |node| node.shard_number(shard));
        report.problems.extend(misplaced(&found, shard, number, &registered));
        // Beside a running server the checkpoint may be newer than the segments that were read before it.
        if !report.server_running {
            report.problems.extend(found.missing_state().map(|damage| damage.to_string()));
            report.problems.extend(missing_asides(&found, &folder));
        }
        match found.next_lsn() {
            Some(next) => {
                ends.insert(format!("shard-{:04}", shard.0), next.0);
            }
            None => report.problems.push(format!("log of shard {shard}: {} has no segment", folder.display())),
        }
    }
    ends
}

/// Files of records that are set aside, and that the checkpoint names and the folder does not have.
fn missing_asides(found: &WalReport, folder: &Path) -> Vec<String> {
    let Some(checkpoint) = &found.checkpoint else { return Vec::new() };
    match set_aside_segments(&checkpoint.state) {
        Ok(mut segments) => {
            segments.retain(|id| !folder.join(aside_file(*id)).exists());
            let names = segments.into_iter().map(|id| folder.join(aside_file(id)));
            names.map(|path| format!("{}: the file of records that are set aside is missing", path.display())).collect()
        }
        Err(error) => vec![format!("the checkpoint in {}: {error}", folder.display())],
    }
}

/// Segments and checkpoint of another node or of newer records, or made beside a newer registry.
fn misplaced(found: &WalReport, shard: ShardId, number: ShardNumber, registered: &Registered) -> Vec<String> {
    let mut problems = Vec::new();
    let segments = found.segments.iter().map(|segment| {
        let context = &segment.info.context;
        (segment.path.display().to_string(), context.shard_number, context.record_version, context.marks)
    });
    let checkpoint = found.checkpoint.iter().map(|checkpoint| {
        let path = format!("log of shard {shard}: the checkpoint");
        (path, checkpoint.shard_number, checkpoint.record_version, RegistryMarks::NONE)
    });
    let asides = found.asides.iter().map(|aside| {
        let context = &aside.context;
        let name = format!("log of shard {shard}: {}", aside_file(aside.id));
        (name, context.shard_number, context.record_version, context.marks)
    });
    for (name, of, version, marks) in segments.chain(asides).chain(checkpoint) {
        // Segments of the first version name no node.
        if of != ShardNumber(0) && of != number {
            problems.push(format!("{name} belongs to shard number {of}, and this shard has number {number}"));
        }
        if version > RECORD_VERSION {
            problems.push(format!(
                "{name} has records of version {version}, and this release reads versions up to {RECORD_VERSION}"
            ));
        }
        if let Some(unknown) = registered.marks.and_then(|known| known.first_unknown(&marks)) {
            problems
                .push(format!("{name} was made beside a registry with {unknown}: the registry is older than the log"));
        }
    }
    problems
}

/// The check of one shard's records.
struct Records<'a> {
    registry: &'a Path,
    registered: &'a mut Registered,
    audit: &'a mut AuditCheck,
    problems: Vec<String>,
    /// Records with problems beyond those that are listed.
    further: u64,
}

impl Records<'_> {
    fn check(&mut self, record: &ReplayedRecord<'_>) {
        let Some(marks) = self.registered.marks else { return };
        let mut result = check_record(record.payload, &self.registered.tables, &marks);
        if matches!(result, Err(RecordError::OlderRegistry(_)))
            && let Ok(newer) = marks_of_file(self.registry)
            && newer != marks
        {
            // A running server has registered more since the registry was read.
            self.registered.marks = Some(newer);
            result = check_record(record.payload, &self.registered.tables, &newer);
        }
        let result = result.and_then(|()| self.audit.take_record(record.payload));
        let Err(error) = result else { return };
        if self.problems.len() == PROBLEMS_MAX {
            self.further += 1;
            return;
        }
        let (path, lsn, version) = (record.path.display(), record.lsn, record.context.record_version);
        self.problems.push(format!("{path}, LSN {lsn}, records of version {version}: {error}"));
    }
}

/// Records of a shard that are listed one by one.
const PROBLEMS_MAX: usize = 20;
