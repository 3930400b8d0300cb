#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! - `register`: adds the functions to a session
//! - `aqi_index`: a concentration on the scale of the index
//! - `nowcast`: the mean of twelve hours that follows the newest ones
//! - `geofence_distance`: a point and the edge of an area
//! - `fixed`: decimal numbers of 20 digits behind the point

mod aqi_index;
mod fixed;
mod geofence_distance;
mod nowcast;
mod register;

pub use register::register;
