//! One operator of a cluster of four, watched on the road of its duties.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod agreeing;
mod collecting;
mod early;
mod properties;
mod road;
mod schedule;
mod support;
mod supporting;
mod verdicts;
