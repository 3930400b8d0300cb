//! Rules over functions and plans, in the order in which a plan meets them:
//!
//! - [`bounded_functions`]: functions that are left out or limited
//! - [`declared_order`]: sorts that the order of files makes needless
//! - [`cooperative`]: points at which a statement can be cancelled
//! - [`late_materialization`]: filters evaluated while files are decoded
//! - [`cancellable_joins`]: joins that end when their statement is cancelled

pub(crate) mod bounded_functions;
pub(crate) mod cancellable_joins;
pub(crate) mod cooperative;
pub(crate) mod declared_order;
pub(crate) mod late_materialization;
