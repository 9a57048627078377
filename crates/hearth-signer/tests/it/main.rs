//! Tests of the public interface, in one program.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod common;
mod folder;
mod identity;
mod keystore;
mod signing;
