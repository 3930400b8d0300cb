//! `zonelake demo`: the main job on embedded defaults, and the check that nothing is lost.
//!
//! - [`command`]: options, and the steps
//! - [`gateway`]: gateways of the zones
//! - [`known`]: what is known of the devices, as reference data
//! - [`recordings`]: an excerpt of real recordings, pushed as `zonelake push` does
//! - [`simulated`]: zones that send at a fixed rate, and what they have sent
//! - [`questions`]: SQL as a dashboard would ask it, and the check of every count

mod command;
mod gateway;
mod known;
mod questions;
mod recordings;
mod simulated;

pub(crate) use command::{DemoOptions, run};
