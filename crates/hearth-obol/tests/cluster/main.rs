//! Cluster files of every version: the vectors of the specification, vectors of our own, and hostile files.

mod dealing;
mod deposits;
mod facts;
mod files;
mod hostile;
mod records;
mod support;
mod vectors;
mod verification;
