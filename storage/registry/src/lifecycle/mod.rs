//! Devices as an operator knows them: what is said of each, its state, and what has changed.
//!
//! A device is the measuring point of its name in a zone. Its series are the rows under its keys (`devices`); what stands here is beside
//! them and changes none of them.
//!
//! - [`state`]: states, and which follows which
//! - [`details`]: what is said of a device
//! - [`change`]: what is to be said of it, and the check of that
//! - `announce`: devices that wait for approval
//! - `apply`: changes of one device, and of many from a file
//! - `list`: devices page by page
//! - `history`: what has changed

mod announce;
pub(crate) mod apply;
pub(crate) mod change;
pub(crate) mod details;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod state;

pub use announce::WritableDevice;
pub use apply::{DeviceLine, ImportedDevices};
pub use change::{Change, DeviceChanges};
pub use details::{DeviceDetails, Position};
pub use history::DeviceChange;
pub use list::{DeviceRecord, DeviceSelection};
pub use state::DeviceState;
