//! A small world to run a cluster in: a beacon chain that judges, its HTTP face, and a network on virtual time.
//!
//! [`chain`] gives duties, verifies every attestation, records inclusion and convicts slashable pairs; it is the
//! judge of every simulation. [`http`] serves it as a beacon node on loopback, so that real nodes run against it
//! without knowing. [`world`] runs the brains of a whole cluster on a seeded clock with faults.
//!
//! Invariant: inside [`world`] nothing looks at a real clock, socket or random source.

pub mod chain;
pub mod demo;
pub mod http;
pub mod world;
