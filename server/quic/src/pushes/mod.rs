//! The ledger of pushes, as a gateway asks it:
//!
//! - [`request`]: what is asked and noted
//! - [`stored_times`]: which of the rows of a push are stored by another way

pub(crate) mod request;
pub(crate) mod stored_times;
