//! Tests of the log through its public interface.

mod conformance;
mod damage;
mod faults;
mod fixture;
mod log;
mod power_loss;
mod report;
