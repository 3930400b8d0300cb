//! Rules over functions and plans, in the order in which a plan meets them:
//!
//! - [`bounded_functions`]: functions that are left out or limited
//! - [`counted_functions`], [`text_lengths`], [`value_limit`]: functions that make large values out of small ones
//! - [`counted_window_values`], [`counted_constants`]: what windows and constants make for each row
//! - [`inlined_columns`]: filters that would grow beyond all bounds when they are pushed down
//! - [`view_reach`]: times of a view on their way down to the scans below it
//! - [`declared_order`]: sorts that the order of files makes needless
//! - [`names_twice`]: filters kept from columns of one name
//! - [`cooperative`]: points at which a statement can be cancelled
//! - [`late_materialization`]: filters evaluated while files are decoded
//! - [`cancellable_joins`]: joins that end when their statement is cancelled
//! - [`accounted_windows`], [`window_memory`]: windows whose rows count as memory of their statement

pub(crate) mod accounted_windows;
pub(crate) mod bounded_functions;
pub(crate) mod cancellable_joins;
pub(crate) mod cooperative;
pub(crate) mod counted_constants;
pub(crate) mod counted_functions;
pub(crate) mod counted_window_values;
pub(crate) mod declared_order;
pub(crate) mod inlined_columns;
pub(crate) mod late_materialization;
pub(crate) mod names_twice;
pub(crate) mod text_lengths;
pub(crate) mod value_limit;
pub(crate) mod view_reach;
pub(crate) mod window_memory;
