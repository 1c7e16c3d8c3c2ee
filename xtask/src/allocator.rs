//! The system's allocator, which counts what is in use while it is told to.
//!
//! It stands in the whole program, since a program has one; the counting is for the child of
//! `bench rib` that measures memory, and costs the others one load and one branch a call.
#![allow(unsafe_code, reason = "an allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

/// Counts the bytes asked for, not what the allocator rounds them up to.
pub(crate) struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static IN_USE: AtomicIsize = AtomicIsize::new(0);

/// Counts from now on, from zero: what was in use before and is freed later counts as negative.
pub(crate) fn begin() {
    ON.store(true, Ordering::Relaxed);
}

/// Bytes in use, of those asked for since [`begin`].
pub(crate) fn in_use() -> isize {
    IN_USE.load(Ordering::Relaxed)
}

#[inline]
fn count(bytes: usize, sign: isize) {
    if ON.load(Ordering::Relaxed) {
        // A layout's size is at most `isize::MAX`, so this loses nothing.
        IN_USE.fetch_add(sign * bytes as isize, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to `System` as it came; counting touches two atomics and
// neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: as the trait demands of its caller, who answers for `layout`.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise about `layout` is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as the trait demands of its caller, who answers for `layout`.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise about `layout` is the one that `System` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    // SAFETY: as the trait demands of its caller, who answers for `pointer` and `layout`.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: `pointer` came from `System` by `alloc` above, with this `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }

    // SAFETY: as the trait demands of its caller, who answers for all three.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: `pointer` came from `System` by `alloc` above, with this `layout`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
