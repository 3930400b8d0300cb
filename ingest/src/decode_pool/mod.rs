//! Decoding on threads of its own, in turns of the principals whose batches are decoded:
//!
//! - [`turns`]: the jobs of one principal and when it may have its next one; pure state
//! - [`pool`]: the threads, and the way of a job to them and of its result back

pub(crate) mod pool;
pub(crate) mod turns;
