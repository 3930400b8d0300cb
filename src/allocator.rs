//! Allocator of the program, and its one option.
//!
//! mimalloc keeps what is free for a minute before it goes back to the system. Live rows take up and free hundreds of megabytes
//! every few seconds; returning them each time costs page faults, and, on a virtual machine whose host collects free pages,
//! stalls of the disk (docs/decisions/0023). `MIMALLOC_PURGE_DELAY` in the environment goes before it.

use std::ffi::{c_int, c_long};

/// As fast as the C library's under a full load and faster with many connections, with half of the memory: docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of `mi_option_purge_delay` in mimalloc 3's `mi_option_t`; the crate has no name for it.
const PURGE_DELAY: c_int = 15;
/// Time that free memory is kept.
const PURGE_DELAY_MS: c_long = 60_000;

/// Has the allocator keep free memory, unless the environment says how long.
#[expect(unsafe_code, reason = "mimalloc's options have no safe interface")]
pub(crate) fn keep_free_memory() {
    // SAFETY: the call takes two numbers and changes one word of the library; it may be made at any time from any thread. An
    // option that does not exist is ignored.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) };
}

#[cfg(test)]
#[expect(unsafe_code, reason = "mimalloc's options have no safe interface")]
mod tests {
    use super::*;

    fn purge_delay_ms() -> c_long {
        // SAFETY: the call reads one word of the library.
        unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }
    }

    #[test]
    fn the_number_is_that_of_the_purge_delay_and_the_call_sets_it() {
        // No other option has this default, so a library that counts its options otherwise is found out.
        assert_eq!(purge_delay_ms(), 1_000);
        keep_free_memory();
        assert_eq!(purge_delay_ms(), PURGE_DELAY_MS);
    }
}
