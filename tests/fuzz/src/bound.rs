//! A bound for the memory that one input may take: beyond it the fuzzer stops and keeps the input.

#![expect(unsafe_code, reason = "an allocator that counts is the only way to see what an input takes")]

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::cell::Cell;

/// Bytes that an input may hold at once, beyond what was held before it. Limits of the targets are chosen so that this is
/// what a message within them may take.
pub const INPUT_BYTES_MAX: isize = 64 << 20;

thread_local! {
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
    static LIMIT_BYTES: Cell<isize> = const { Cell::new(isize::MAX) };
}

/// The system's allocator with a limit for each input.
#[derive(Debug)]
pub struct Bounded;

impl Bounded {
    /// Runs an input under the bound.
    pub fn run(&self, input: impl FnOnce()) {
        LIMIT_BYTES.set(HELD_BYTES.get().saturating_add(INPUT_BYTES_MAX));
        input();
        LIMIT_BYTES.set(isize::MAX);
    }
}

fn hold(bytes: isize) -> bool {
    let held = HELD_BYTES.get() + bytes;
    HELD_BYTES.set(held);
    held <= LIMIT_BYTES.get()
}

fn size(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX / 2)
}

// SAFETY: it hands everything to the system's allocator unchanged, or ends the process.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !hold(size(layout.size())) {
            LIMIT_BYTES.set(isize::MAX);
            handle_alloc_error(layout);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(-size(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if !hold(size(bytes) - size(layout.size())) {
            LIMIT_BYTES.set(isize::MAX);
            handle_alloc_error(layout);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}
