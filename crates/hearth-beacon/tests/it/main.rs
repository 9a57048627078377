//! The crate as its users see it, against nodes on loopback that behave and misbehave.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod execution;
mod misbehaviour;
mod own_vectors;
mod recorded;
mod several_nodes;
mod support;
