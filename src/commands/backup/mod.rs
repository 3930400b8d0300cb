//! `zonelake backup` and `zonelake restore`: copies of a data folder, taken while its server runs, and a data folder from one.
//!
//! - [`command`]: options of `backup`, and what it says
//! - [`archive`]: the folder of back-ups
//! - [`taking`]: one back-up, from the first file to the moment that it is of
//! - [`logs`]: which files of a table's log belong to a version
//! - [`manifest`]: files of a back-up with their digests
//! - [`copying`]: a file copied, with its digest
//! - [`restore`]: options of `restore`, and a data folder from a back-up

mod archive;
mod command;
mod copying;
mod logs;
mod manifest;
mod restore;
mod taking;

pub(crate) use command::{BackupOptions, run};
pub(crate) use restore::{RestoreOptions, run as run_restore};
