#![doc = include_str!("../README.md")]
//!
//! - [`workload`]: devices, their values, and rows of them in the forms in which gateways send

pub mod workload;
