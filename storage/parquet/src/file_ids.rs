//! Ids in the names of files. A simulation brings its own, so that the same seed gives the same names.

use std::fmt;

use uuid::Uuid;

/// A source of ids that no file has yet.
pub trait FileIds: Send + Sync + fmt::Debug {
    /// The next one.
    fn next_id(&self) -> Uuid;
}

/// Random ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomFileIds;

impl FileIds for RandomFileIds {
    fn next_id(&self) -> Uuid {
        Uuid::new_v4()
    }
}
