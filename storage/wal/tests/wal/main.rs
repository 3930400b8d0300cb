//! Tests of the log through its public interface.

mod asides;
mod conformance;
mod damage;
mod faults;
mod fixture;
mod formats;
mod log;
mod power_loss;
mod report;
