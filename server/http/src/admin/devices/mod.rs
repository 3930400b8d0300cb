//! Devices: what is said of them, their states, and those that wait for approval.
//!
//! - [`mod@json`], bodies
//! - `routes`: the routes
//! - [`kept_rows`]: rows of a device that were rejected before it was approved

mod json;
pub(super) mod kept_rows;
mod routes;

pub use json::{
    DeviceChangeItem, DeviceItem, DeviceList, DevicePage, DevicePolicy, ImportDevices, ImportedDeviceList,
    KeptDeviceRows, NewDevices, SetDevice,
};
pub(super) use routes::{import_routes, routes};
