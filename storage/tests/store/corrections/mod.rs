//! Corrected values are seen by everybody from one moment on, in memory and in files, through commits of unknown outcome and kills;
//! all else of the rows stays, and who, why and the old values are noted before anything is changed.
//!
//! - [`fixture`]: rows, orders, a trail in memory, and what a statement would see
//! - [`values`]: which values are corrected, and which orders are refused
//! - [`cut_off`]: commits of unknown outcome, and kills

mod cut_off;
mod fixture;
mod values;
