//! One seat, offered in a link.
//!
//! The link is CBOR and a signature of the organiser's node, in base64url. Its secret makes a key that is good for one thing: to be
//! let in at the organiser's door, which is shut to everybody else. It signs nothing of a cluster.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_crypto::k1::{NodeKey, NodePublicKey, verify_compact};
use hearth_types::{Root, UnixMillis};
use minicbor::{Decode, Encode};
use rand::{CryptoRng, RngExt};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::message::{ADDRESS_BYTES, MOST_ADDRESSES};
use crate::terms::Terms;
use crate::{MOST_OPERATORS, NAME_BYTES};

/// How the links of this version begin.
pub const LINK: &str = "hearth://join/1/";
/// How all links begin.
const ANY_LINK: &str = "hearth://join/";
/// Longest text that is looked at: far more than any invitation has.
const MOST_TEXT: usize = 8_192;
/// Bytes of the signature at the end.
const SIGNATURE: usize = 64;
const SIGNED: &[u8] = b"hearth invitation 1";
const SEAT: &[u8] = b"hearth seat 1";

/// What lets one guest in.
#[derive(Clone, Eq, PartialEq, Encode, Decode)]
#[cbor(transparent)]
pub struct SeatSecret(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl SeatSecret {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(rng.random())
    }

    /// The key with which its bearer is let in by that organiser.
    pub fn key(&self, organiser: &NodePublicKey) -> NodeKey {
        let mut counter = 0_u8;
        loop {
            let hash = Sha256::new()
                .chain_update(SEAT)
                .chain_update(organiser.to_bytes())
                .chain_update(self.0)
                .chain_update([counter])
                .finalize();
            // One hash in 2^128 is no key.
            if let Ok(key) = NodeKey::from_bytes(&hash.into()) {
                return key;
            }
            counter = counter.wrapping_add(1);
        }
    }
}

impl fmt::Debug for SeatSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeatSecret(…)")
    }
}

/// One seat in a cluster that is being formed.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Invite {
    /// What the cluster is to be.
    #[n(0)]
    pub terms: Terms,
    /// The organiser's node, by its compressed public key.
    #[cbor(n(1), with = "minicbor::bytes")]
    organiser: [u8; 33],
    /// What the organiser calls himself; at most [`NAME_BYTES`].
    #[n(2)]
    pub nickname: String,
    /// Where the organiser's node is: `host:port` or multiaddrs.
    #[n(3)]
    pub rendezvous: Vec<String>,
    /// The seat, from two: the organiser has the first.
    #[n(4)]
    pub seat: u8,
    /// What lets its guest in.
    #[n(5)]
    pub secret: SeatSecret,
    /// When it ends; Unix seconds.
    #[n(6)]
    pub expires_s: u64,
    /// Hash of the definition, where that is made already.
    #[cbor(n(7), with = "minicbor::bytes")]
    definition: Option<[u8; 32]>,
}

/// A text that is no invitation, or none that can be used.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum InviteError {
    /// Something else.
    #[error("that is no invitation to a Hearth cluster; one begins with {LINK}")]
    Foreign,
    /// Made by a Hearth that is newer than this one.
    #[error("the invitation was made by a newer Hearth; update this one first")]
    Newer,
    /// Cut off, or changed.
    #[error("the invitation is damaged: perhaps a part of the link was lost on the way")]
    Damaged,
    /// Its time is over.
    #[error("the invitation has expired; ask whoever sent it for a new one")]
    Expired,
}

impl Invite {
    /// An invitation to this seat.
    pub fn new(
        terms: Terms,
        (organiser, nickname): (&NodePublicKey, String),
        rendezvous: Vec<String>,
        (seat, secret): (u8, SeatSecret),
        expires: UnixMillis,
    ) -> Self {
        let (organiser, expires_s) = (organiser.to_bytes(), expires.get() / 1_000);
        Self { terms, organiser, nickname, rendezvous, seat, secret, expires_s, definition: None }
    }

    /// The organiser's node.
    pub fn organiser(&self) -> Option<NodePublicKey> {
        NodePublicKey::from_bytes(&self.organiser).ok()
    }

    /// The definition's hash, where that is made already.
    pub fn definition(&self) -> Option<Root> {
        self.definition.map(Root::new)
    }

    /// Whether its time is over.
    pub const fn is_over(&self, now: UnixMillis) -> bool {
        now.get() / 1_000 >= self.expires_s
    }

    /// The key with which its bearer is let in.
    pub fn door_key(&self) -> Option<NodeKey> {
        self.organiser().map(|organiser| self.secret.key(&organiser))
    }

    /// The link, signed by the organiser.
    pub fn link(&self, key: &NodeKey) -> String {
        // Encoding into a vector cannot fail.
        let mut bytes = minicbor::to_vec(self).unwrap_or_default();
        let signature = key.sign(&digest(&bytes));
        bytes.extend(signature.iter().take(SIGNATURE));
        format!("{LINK}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The link in a text that [`Invite::read`] reads.
    pub fn link_in(text: &str) -> Result<String, InviteError> {
        Self::find(text).map(|(_, data)| format!("{LINK}{data}"))
    }

    /// Reads a link as it may have come through a messenger, or the address of a page that hands it on, or a text that has one of
    /// them in it. Its time is not looked at.
    pub fn read(text: &str) -> Result<Self, InviteError> {
        Self::find(text).map(|(invite, _)| invite)
    }

    /// The invitation in a text, and what says it, in base64url.
    fn find(text: &str) -> Result<(Self, String), InviteError> {
        if text.len() > MOST_TEXT {
            return Err(InviteError::Foreign);
        }
        // Messengers break long lines, and people put words around them.
        let whole: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let mut first = None;
        for (version, data) in std::iter::once(&*whole).chain(text.split_whitespace()).filter_map(parts) {
            let data = data.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
            match Self::decode(version, data) {
                Ok(invite) => return Ok((invite, data.to_owned())),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or(InviteError::Foreign))
    }

    fn decode(version: &str, data: &str) -> Result<Self, InviteError> {
        match version.parse::<u32>() {
            Ok(1) => {}
            Ok(2..) => return Err(InviteError::Newer),
            _ => return Err(InviteError::Foreign),
        }
        let bytes = URL_SAFE_NO_PAD.decode(data).map_err(|_| InviteError::Damaged)?;
        let (body, signature) = bytes.split_last_chunk::<SIGNATURE>().ok_or(InviteError::Damaged)?;
        let invite: Self = minicbor::decode(body).map_err(|_| InviteError::Damaged)?;
        let organiser = invite.organiser().ok_or(InviteError::Damaged)?;
        let genuine = verify_compact(&organiser, &digest(body), signature);
        if genuine && invite.is_well_formed() { Ok(invite) } else { Err(InviteError::Damaged) }
    }

    fn is_well_formed(&self) -> bool {
        self.terms.is_sensible()
            && self.nickname.len() <= NAME_BYTES
            && (2..=MOST_OPERATORS.min(self.terms.operators)).contains(&self.seat)
            && !self.rendezvous.is_empty()
            && self.rendezvous.len() <= MOST_ADDRESSES
            && self.rendezvous.iter().all(|address| address.len() <= ADDRESS_BYTES)
    }
}

/// Version and data of `hearth://join/<version>/<data>` or of `https://<page>#<version>.<data>`.
fn parts(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(['<', '(', '"', '\'']);
    match text.strip_prefix(ANY_LINK) {
        Some(rest) => Some(rest.split_once('/').unwrap_or(("1", ""))),
        None => text.strip_prefix("https://")?.split_once('#')?.1.split_once('.'),
    }
}

fn digest(body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(SIGNED).chain_update(body).finalize().into()
}
