//! The common workload of all figures: stations of eight fields with two decimals, a row a second each.
//!
//! - [`fields`]: the fields, and the table that declares them
//! - [`devices`]: devices and zones of a run
//! - [`random`]: a small seeded generator, so that every run has the same values
//! - [`walks`]: the values of devices over time
//! - [`forms`]: rows as Arrow record batches and as lines
//!
//! Values are random walks: each field starts evenly between two bounds, takes normally distributed steps, and is
//! reflected at zero and, for a percentage, at 100. A device's values follow from the seed and its number alone, so that
//! gateways that generate a part of the devices each make together what one would make of all.

mod devices;
mod fields;
mod forms;
mod random;
mod walks;

pub use devices::Workload;
pub use fields::{FIELDS, FieldWalk, HUNDREDTHS_TABLE, HUNDREDTHS_TOML, START_US, hundredths_table};
pub use forms::{ArrowForm, Wire, lines};
pub use walks::{Rows, Walks};
