//! Workload that measurements have in common; nothing of it is in the program.
//!
//! - [`workload`]: devices, their values, and rows of them in the forms in which gateways send
//!
//! The measurements themselves are in `stages/`, one file a stage: `cargo bench -p zonelake-benches`.

pub mod workload;
