//! What tests of other interfaces need: the stores, and the declaration of who sees what.

pub(crate) mod declared;
pub(crate) mod world;
