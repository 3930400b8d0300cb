//! The commands, one file or folder each:
//!
//! - [`serve`]: the server
//! - [`demo`]: the main job on embedded defaults
//! - [`push`]: files to a server, over QUIC
//! - [`watch`]: the files of a folder to a server, each as it is completed
//! - [`mod@forward`]: lines of any program to a server, by way of a spool
//! - [`spool`]: what waits in the spools of a gateway, and what was put aside there
//! - [`sql`]: queries to a server, over HTTP
//! - [`report`]: figures of the views in a form that is handed in
//! - [`gateway`]: gateways, who may write
//! - [`tokens`]: tokens of gateways and roles
//! - [`site`]: places within zones, where devices are
//! - [`device`]: devices, what is said of them, and their states
//! - [`role`], [`role_grants`]: users of SQL, limits on their statements, and what they may read
//! - [`mod@reference`]: limits, tariffs and other dated rows
//! - [`rejected`]: rows that were rejected, stored after all
//! - [`alert_rule`], [`alert_hook`]: alert rules with tests of them over history, and whom alerts are sent to
//! - [`config`]: the documented settings file
//! - [`check`]: whether a data folder is sound
//! - [`rules`]: how long rows are kept, rows deleted, and values corrected
//! - [`backup`]: back-ups of a data folder, and a data folder from one
//! - [`completions`], [`man`]: for shells and manual readers

pub(crate) mod alert_hook;
pub(crate) mod alert_rule;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod device;
pub(crate) mod forward;
pub(crate) mod gateway;
pub(crate) mod man;
pub(crate) mod push;
pub(crate) mod reference;
pub(crate) mod rejected;
pub(crate) mod report;
pub(crate) mod role;
pub(crate) mod role_grants;
pub(crate) mod rules;
pub(crate) mod serve;
pub(crate) mod site;
pub(crate) mod spool;
pub(crate) mod sql;
pub(crate) mod tokens;
pub(crate) mod watch;
