//! Values that are corrected: the rows of a key get other values in named fields, by one commit that exchanges their files.
//!
//! - [`order`]: what is asked for, and what has come of it
//! - [`value`]: a text as a value of a field
//! - [`wanted`]: the values of an order by the rows that are to have them
//! - [`found`]: those rows, in the files of a table
//! - [`noted`]: old and new values in the table of audit
//! - [`mod@correct`]: an order carried out

mod correct;
mod found;
mod noted;
pub(crate) mod order;
mod value;
mod wanted;
