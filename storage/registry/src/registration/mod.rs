//! Registrations of devices and producers:
//!
//! - [`quota`]: devices that a gateway may register within an hour
//! - [`waiting`], [`group`]: registrations that wait for the file, many of them in one transaction

pub(crate) mod group;
pub(crate) mod quota;
pub(crate) mod waiting;
