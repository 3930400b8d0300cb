//! `zonelake watch`: the files of a folder to a server, each as it is completed.
//!
//! - [`options`]: its options
//! - [`pattern`], [`rules`]: which mapping a file is read with
//! - [`folder`]: the files of the folder, and where they go afterwards
//! - [`settling`]: which of them are complete, without I/O
//! - [`command`]: one file after another
//! - [`report`]: what is written beside each

mod command;
mod folder;
mod options;
mod pattern;
mod report;
mod rules;
mod settling;

pub(crate) use command::run;
pub(crate) use options::WatchOptions;
