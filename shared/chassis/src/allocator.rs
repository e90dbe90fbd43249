//! The allocator of the process: jemalloc if the feature `jemalloc` is enabled, otherwise that of the C library (ADR 079).
//!
//! Its background thread returns unused memory to the system within seconds, also while the process is idle. The symbols are not prefixed,
//! so that memory of C libraries is allocated by it as well: most of the memory is librdkafka's.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
