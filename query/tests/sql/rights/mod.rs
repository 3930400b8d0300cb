//! Rights: what a role may not see does not exist for it.
//!
//! - [`world`]: stores with and without hidden rows
//! - [`declared`]: the one declaration of who sees what
//! - [`matrix`]: each of its cells through the engine
//! - [`corpus`]: statements that try to see more
//! - [`devices`]: when devices were heard of, as roles are told it
//! - [`changes`]: rights that change while statements run

mod changes;
mod corpus;
pub(crate) mod declared;
mod devices;
mod matrix;
pub(crate) mod world;
