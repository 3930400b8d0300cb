//! Batches that the server can never take as they are, put aside for an operator in the folder `refused` of their spool.
//!
//! | file | what |
//! |---|---|
//! | `LANE-NUMBER.batch` | one block of [`super::format`], with its whole prelude |
//! | `LANE-NUMBER.reason` | the server's words |
//! | `K@LANE-NUMBER.batch` | the same, being sent again as batch K of the producer `NAME refused` |
//! | `LANE-NUMBER.stored` | empty: it was sent again, and its own number may not be acknowledged yet |
//!
//! The name with K is durable before the batch is sent, and goes when it is acknowledged: a process that is killed between leaves a file whose K the
//! server has, and it is not sent once more.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zonelake_schemas::{BatchNumber, Lane};

use super::error::{SpoolError, at};
use super::format::{BLOCK_HEADER_BYTES, InForce, body_bytes, decode_block, encode_block};
use super::identity::{make_folder, sync_folder, write_durably};
use crate::batch::EncodedBatch;

/// Folder of refused batches.
#[derive(Debug, Clone)]
pub(crate) struct RefusedFolder(PathBuf);

/// A batch that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedBatch {
    /// Its file.
    pub path: PathBuf,
    /// Its name: lane and number.
    pub name: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Reason in the server's words; empty where it is not known.
    pub reason: String,
    /// Number under which it is being sent again.
    pub(crate) sent_as: Option<BatchNumber>,
}

impl RefusedFolder {
    /// The folder of a spool; it need not be there.
    pub(crate) fn of(spool: &Path) -> Self {
        Self(spool.join("refused"))
    }

    /// Puts a batch aside; false where it was put aside before.
    pub(crate) fn put(
        &self,
        lane: Lane,
        number: BatchNumber,
        batch: &EncodedBatch,
        reason: &str,
    ) -> Result<bool, SpoolError> {
        make_folder(&self.0)?;
        let name = format!("{}{:020}", prefix(lane), number.0);
        if self.batches()?.iter().any(|batch| batch.name == name) || self.stored()?.contains(&name) {
            return Ok(false);
        }
        self.note(&name, reason)?;
        let block = encode_block(number, batch, &mut InForce::default());
        write_durably(&self.0.join(format!("{name}.{BATCH}")), &block)?;
        Ok(true)
    }

    /// Notes why a batch is refused.
    pub(crate) fn note(&self, name: &str, reason: &str) -> Result<(), SpoolError> {
        write_durably(&self.0.join(format!("{name}.{REASON}")), reason.as_bytes())
    }

    /// Numbers of a lane that were put aside, each with its reason: they are sent without rows, whatever has become of the batch.
    pub(crate) fn numbers(&self, lane: Lane) -> Result<BTreeMap<u64, String>, SpoolError> {
        let number = |name: &str| name.strip_prefix(prefix(lane))?.parse().ok();
        let mut numbers: BTreeMap<u64, String> =
            self.list()?.into_iter().filter_map(|batch| Some((number(&batch.name)?, batch.reason))).collect();
        numbers.extend(self.stored()?.iter().filter_map(|name| Some((number(name)?, String::new()))));
        Ok(numbers)
    }

    /// Forgets that batches were sent again whose own numbers are acknowledged.
    pub(crate) fn forget_stored(&self, lane: Lane, last: BatchNumber) -> Result<(), SpoolError> {
        for name in self.stored()? {
            if name
                .strip_prefix(prefix(lane))
                .and_then(|number| number.parse().ok())
                .is_some_and(|number: u64| number <= last.0)
            {
                let path = self.0.join(format!("{name}.{STORED}"));
                fs::remove_file(&path).map_err(at(path))?;
            }
        }
        Ok(())
    }

    fn stored(&self) -> Result<Vec<String>, SpoolError> {
        if !self.0.exists() {
            return Ok(Vec::new());
        }
        let paths =
            fs::read_dir(&self.0).map_err(at(&self.0))?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let stored = paths.filter(|path| path.extension().is_some_and(|end| end == STORED));
        Ok(stored.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect())
    }

    /// Bytes of all batches.
    pub(crate) fn bytes(&self) -> Result<u64, SpoolError> {
        Ok(self.batches()?.iter().map(|batch| batch.bytes).sum())
    }

    /// All batches with their reasons, in the order of their names.
    pub(crate) fn list(&self) -> Result<Vec<RefusedBatch>, SpoolError> {
        let mut batches = self.batches()?;
        for batch in &mut batches {
            batch.reason = fs::read_to_string(self.0.join(format!("{}.{REASON}", batch.name))).unwrap_or_default();
        }
        batches.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(batches)
    }

    fn batches(&self) -> Result<Vec<RefusedBatch>, SpoolError> {
        if !self.0.exists() {
            return Ok(Vec::new());
        }
        let mut batches = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(at(&self.0))? {
            let path = entry.map_err(at(&self.0))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
            let (Some(stem), true) = (stem, path.extension().is_some_and(|end| end == BATCH)) else { continue };
            let (sent_as, name) = match stem.split_once('@') {
                Some((number, name)) => (number.parse().ok().map(BatchNumber), name.to_owned()),
                None => (None, stem),
            };
            // One that another process has sent meanwhile is gone.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            batches.push(RefusedBatch { path, name, bytes: metadata.len(), reason: String::new(), sent_as });
        }
        Ok(batches)
    }

    /// Makes durable which batches are here, before anybody goes by that.
    pub(crate) fn adopt_names(&self) -> Result<(), SpoolError> {
        if self.0.exists() { sync_folder(&self.0) } else { Ok(()) }
    }

    /// One process at a time sends them again.
    pub(crate) fn lock(&self) -> Result<File, SpoolError> {
        let path = self.0.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match lock.try_lock() {
            // Names that a process before has left in memory only: what goes by them must not find others after a loss of power.
            Ok(()) => self.adopt_names().map(|()| lock),
            Err(TryLockError::WouldBlock) => Err(SpoolError::InUse(self.0.clone())),
            Err(TryLockError::Error(source)) => Err(at(path)(source)),
        }
    }

    /// Names a batch durably as being sent under a number, or as waiting.
    pub(crate) fn name_as(
        &self,
        batch: &RefusedBatch,
        sent_as: Option<BatchNumber>,
    ) -> Result<RefusedBatch, SpoolError> {
        let name = match sent_as {
            Some(number) => format!("{number}@{}.{BATCH}", batch.name),
            None => format!("{}.{BATCH}", batch.name),
        };
        let path = self.0.join(name);
        fs::rename(&batch.path, &path).map_err(at(&batch.path))?;
        sync_folder(&self.0)?;
        Ok(RefusedBatch { path, sent_as, ..batch.clone() })
    }

    /// Removes a batch that is stored. What remains is its name, so that it is not sent under its own number as well.
    pub(crate) fn remove(&self, batch: &RefusedBatch) -> Result<(), SpoolError> {
        write_durably(&self.0.join(format!("{}.{STORED}", batch.name)), b"")?;
        fs::remove_file(&batch.path).map_err(at(&batch.path))?;
        // A reason without its batch says nothing.
        fs::remove_file(self.0.join(format!("{}.{REASON}", batch.name))).ok();
        sync_folder(&self.0)
    }
}

impl RefusedBatch {
    /// Reads the batch.
    ///
    /// # Errors
    /// [`SpoolError::Io`] where the file cannot be read or is damaged.
    pub fn read(&self) -> Result<EncodedBatch, SpoolError> {
        let bytes = Bytes::from(fs::read(&self.path).map_err(at(&self.path))?);
        let damaged = || at(&self.path)(std::io::Error::other("the file is damaged"));
        let header: [u8; BLOCK_HEADER_BYTES] =
            bytes.get(..BLOCK_HEADER_BYTES).and_then(|header| header.try_into().ok()).ok_or_else(damaged)?;
        let body = bytes.slice(BLOCK_HEADER_BYTES..);
        let is_whole = body_bytes(&header) == Some(body.len());
        let block = is_whole.then(|| decode_block(&header, body, &mut InForce::default())).flatten();
        Ok(block.ok_or_else(damaged)?.batch)
    }
}

fn prefix(lane: Lane) -> &'static str {
    if lane == Lane::Live { "live-" } else { "backfill-" }
}

const BATCH: &str = "batch";
const STORED: &str = "stored";
const REASON: &str = "reason";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::line_block;

    #[test]
    fn a_batch_that_was_put_aside_is_read_back_and_a_damaged_one_is_told() {
        let spool = tempfile::tempdir().unwrap();
        let folder = RefusedFolder::of(spool.path());
        assert!(folder.list().unwrap().is_empty());
        assert!(folder.put(Lane::Live, BatchNumber(7), &line_block("line 7", 1), "no such column").unwrap());
        assert!(!folder.put(Lane::Live, BatchNumber(7), &line_block("line 7", 1), "again").unwrap());
        let [batch] = &folder.list().unwrap()[..] else { panic!() };
        assert_eq!((batch.name.as_str(), batch.reason.as_str()), ("live-00000000000000000007", "no such column"));
        assert_eq!((batch.read().unwrap().payload, batch.read().unwrap().rows), (Bytes::from("line 7"), 1));
        let sent = folder.name_as(batch, Some(BatchNumber(3))).unwrap();
        assert_eq!(folder.list().unwrap(), std::slice::from_ref(&sent));
        assert_eq!(sent.sent_as, Some(BatchNumber(3)));
        assert!(!folder.put(Lane::Live, BatchNumber(7), &line_block("line 7", 1), "").unwrap(), "it is there");
        let back = folder.name_as(&sent, None).unwrap();
        assert_eq!(&back, batch);
        let mut bytes = fs::read(&back.path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&back.path, bytes).unwrap();
        assert!(back.read().unwrap_err().to_string().contains("damaged"));
        assert_eq!(folder.numbers(Lane::Live).unwrap(), [(7, "no such column".to_owned())].into());
        folder.remove(&back).unwrap();
        assert_eq!(folder.numbers(Lane::Live).unwrap().len(), 1, "its number is sent without rows all the same");
        assert!(!folder.put(Lane::Live, BatchNumber(7), &line_block("line 7", 1), "").unwrap(), "nor put aside again");
        assert_eq!(folder.numbers(Lane::Backfill).unwrap().len(), 0);
        folder.forget_stored(Lane::Live, BatchNumber(6)).unwrap();
        assert_eq!(folder.numbers(Lane::Live).unwrap().len(), 1);
        folder.forget_stored(Lane::Live, BatchNumber(7)).unwrap();
        assert_eq!(folder.numbers(Lane::Live).unwrap().len(), 0);
        assert_eq!((folder.list().unwrap(), folder.bytes().unwrap()), (vec![], 0));
    }
}
