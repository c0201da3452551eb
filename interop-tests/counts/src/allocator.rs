//! Allocations, counted by the allocator of this process.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::compare::{Counts, ROUNDS};
use crate::operations::all;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Adds the allocations and the allocated bytes of each operation.
pub(crate) fn count(counts: &mut Counts) {
    for operation in all() {
        let mut rounds = operation.warmed_up();
        let before = [&ALLOCATIONS, &BYTES].map(|counter| counter.load(Ordering::Relaxed));
        rounds(ROUNDS);
        let after = [&ALLOCATIONS, &BYTES].map(|counter| counter.load(Ordering::Relaxed));
        counts.add(operation.name, "allocations", after[0] - before[0]);
        counts.add(operation.name, "allocated bytes", after[1] - before[1]);
    }
}

fn add(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

// SAFETY: every call is forwarded to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller fulfills the requirements of the system allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
