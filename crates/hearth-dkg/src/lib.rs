//! One cluster makes keys that nobody holds.
//!
//! [`frost`] is the key generation of FROST as Obol's clusters do it: all validators of a ceremony in one batch, in two rounds of
//! broadcasts and one of secret messages. [`pedersen`] is the other one, a run for each validator: sealed deals, responses,
//! justifications. Each says what to send and judges what arrives; how it travels, when to give up and
//! what is kept are the concern of whoever drives it. The curve work of a batch is spread over the cores.
//!
//! Invariants: nothing secret leaves but through [`frost::RoundOne::shares_for`], sealed deals, justifications and [`frost::MadeKey`]; a key exists only after
//! every operator has confirmed it; every abort names the operator and the rule that it broke.
//!
//! Source of the rules: `spec/obol-dkg.md` 7 and 13, their MUST-H checks included.

mod blame;
pub mod frost;
pub mod pedersen;

pub use blame::{Abort, Blame, Rule};
