//! What a back-up copies of a store that goes on working:
//!
//! - [`hold`]: while it lasts, nothing of that goes away
//! - [`point`]: the moment that is copied

pub(crate) mod hold;
pub(crate) mod point;
