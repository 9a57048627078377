//! Obol's dialect: cluster files and hashes, ENR, protobuf messages, leader and timer rules. Pure.
//!
//! Knows no socket and no folder, and keeps no key: bytes and text in, checked values out. (Dealing makes key shares and
//! hands them to the caller.) What comes from a peer or a file is refused with an error that names the rule it broke.
//!
//! Source: `obol-cluster.md`, `obol-dkg.md`, `obol-duties.md`, `obol-p2p.md` of the protocol specification.

pub mod ceremony;
pub mod cluster;
pub mod enr;
pub mod infosync;
pub mod wire;
