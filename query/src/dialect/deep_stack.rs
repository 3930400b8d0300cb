//! A stack of a known size for the few statements that may be nested deeply.

use std::panic::resume_unwind;
use std::thread::{Builder, scope};

use crate::error::{QueryError, QueryErrorCode};

/// Bytes of the stack that threads which handle statements have, of which memory is taken only for what is used: 64 KiB for
/// each level that a tree may have.
pub const STACK_BYTES: usize = 16 << 20;
/// Nesting up to which the stack of any thread suffices.
pub(crate) const SHALLOW_MAX: usize = 128;
/// Bytes of the deep stack, of which memory is taken only for what is used.
const DEEP_STACK_BYTES: usize = 256 << 20;

/// Runs work for a statement whose nesting is at most this, on a stack that suffices for it. What the work drops is dropped
/// there too.
///
/// # Errors
/// Those of the work, and [`QueryErrorCode::TooLarge`] where there is no memory for a stack.
pub(crate) fn with_stack_for<T: Send>(
    nesting: usize,
    work: impl FnOnce() -> Result<T, QueryError> + Send,
) -> Result<T, QueryError> {
    if nesting <= SHALLOW_MAX {
        return work();
    }
    scope(|threads| {
        let thread = Builder::new().name("deep-statement".to_owned()).stack_size(DEEP_STACK_BYTES);
        let running = thread.spawn_scoped(threads, work).map_err(|error| {
            tracing::warn!(%error, "there is no stack for a deeply nested statement");
            QueryError::new(QueryErrorCode::TooLarge, "the server has no memory for so deeply nested a statement now")
        })?;
        running.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deep(levels: usize) -> usize {
        let frame = std::hint::black_box([levels; 512]);
        if levels == 0 { 0 } else { deep(levels - 1) + usize::from(frame[0] > 0) }
    }

    #[test]
    fn deep_work_has_a_stack_that_no_thread_of_the_server_has() {
        // 40 MB of frames of 4 KiB.
        let sum = with_stack_for(SHALLOW_MAX + 1, || Ok(deep(10_000))).expect("a stack");
        assert_eq!(sum, 10_000);
    }
}
