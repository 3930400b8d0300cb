//! The commands, one file or folder each:
//!
//! - [`serve`]: the server
//! - [`demo`]: the main job on embedded defaults
//! - [`push`]: files to a server, over QUIC
//! - [`sql`]: queries to a server, over HTTP
//! - [`gateway`]: credentials of gateways
//! - [`role`]: users of SQL, and limits on their statements
//! - [`config`]: the documented settings file
//! - [`check`]: whether a data folder is sound
//! - [`completions`], [`man`]: for shells and manual readers

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod gateway;
pub(crate) mod man;
pub(crate) mod push;
pub(crate) mod role;
pub(crate) mod serve;
pub(crate) mod sql;
