//! Cluster files of every version: the vectors of the specification, vectors of our own, and hostile files.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may fail"
)]

mod dealing;
mod deposits;
mod facts;
mod files;
mod hostile;
mod records;
mod support;
mod vectors;
mod verification;
