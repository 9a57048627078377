//! The messages of ceremonies by Pedersen's protocol: one run after another, a key each.
//!
//! A bundle says of which run it is and is signed by its author; whoever sent it is checked to be that author. Signatures are for the run
//! to check, which knows the keys.
//!
//! Source: `obol-dkg.md` 13.

use hearth_crypto::{InvalidPoint, InvalidSecretKey, PublicKey, SEALED_SHARE_BYTES, SecretKey, Signature};
use hearth_dkg::pedersen::{Bundle, Deal, DealBundle, JustificationBundle, Response, ResponseBundle, Session};
use hearth_types::{OperatorIndex, Root};
use prost::Message as _;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use super::proto::{
    NodePubKeyMessage, PedersenDeal, PedersenDealBundle, PedersenJustification, PedersenJustificationBundle,
    PedersenResponse, PedersenResponseBundle, ValidatorPubKeyShareMessage,
};

/// Name of the broadcast in which operators tell their keys of the ceremony.
pub const NODE_KEYS: &str = "/charon/dkg/pedersen/1.0.0/node_pubkeys";
/// Protocol of deals; one-way, as the others here.
pub const DEALS_PROTOCOL: &str = "/charon/dkg/pedersen/1.0.0/deal_bundle";
/// Protocol of responses.
pub const RESPONSES_PROTOCOL: &str = "/charon/dkg/pedersen/1.0.0/resp_bundle";
/// Protocol of justifications.
pub const JUSTIFICATIONS_PROTOCOL: &str = "/charon/dkg/pedersen/1.0.0/just_bundle";
/// Protocol of public shares, when a run is over.
pub const PUBLIC_SHARES_PROTOCOL: &str = "/charon/dkg/pedersen/1.0.0/val_pubkey_share";

/// All of them.
pub const PEDERSEN_PROTOCOLS: [&str; 4] =
    [DEALS_PROTOCOL, RESPONSES_PROTOCOL, JUSTIFICATIONS_PROTOCOL, PUBLIC_SHARES_PROTOCOL];

/// Bytes of an entry of a bundle, with its number and lengths.
const ENTRY_BYTES: usize = 128;

/// Why a message was refused. Completes the sentence "operator 3 sent …".
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum PedersenRejection {
    /// Longer than any message of this ceremony.
    #[error("{bytes} bytes where {most} are enough")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// Not a message of this protocol at all.
    #[error("something that is no message of this protocol")]
    Undecodable,
    /// In another's name.
    #[error("a bundle in the name of operator {}", .0.saturating_add(1))]
    Author(u32),
    /// Of another ceremony.
    #[error("a message of another ceremony")]
    Ceremony,
    /// A field of another length.
    #[error("{found} bytes where {wanted} were due")]
    Length {
        /// Bytes.
        found: usize,
        /// Bytes of the encoding.
        wanted: usize,
    },
    /// No point of the group.
    #[error("{0}")]
    Point(#[from] InvalidPoint),
    /// No share: zero, or not below the order.
    #[error("{0}")]
    Share(#[from] InvalidSecretKey),
    /// More than anybody can have to say before it is our turn.
    #[error("more messages than there are runs to come")]
    TooMany,
    /// Two shares for one operator.
    #[error("two entries for one operator")]
    Repeated,
}

/// Longest message of a ceremony of so many operators.
pub const fn longest(operators: u8) -> usize {
    // Deals for all, a point for each: as many as operators at most, where the threshold is.
    512 + 2 * ENTRY_BYTES * operators as usize
}

/// Tells an operator's key of the ceremony.
pub fn encode_node_key(ceremony: &Root, key: &PublicKey) -> Vec<u8> {
    let (session_id, public_key) = (ceremony.as_bytes().to_vec(), key.to_bytes().to_vec());
    NodePubKeyMessage { session_id, public_key, shares: None }.encode_to_vec()
}

/// An operator's key of this ceremony.
pub fn decode_node_key(bytes: &[u8], ceremony: &Root, most: usize) -> Result<PublicKey, PedersenRejection> {
    let message: NodePubKeyMessage = read(bytes, most)?;
    if message.session_id != ceremony.as_bytes() {
        return Err(PedersenRejection::Ceremony);
    }
    point(&message.public_key)
}

/// Tells the public key of an operator's share.
pub fn encode_public_share(ceremony: &Root, share: &PublicKey) -> Vec<u8> {
    let (session_id, public_key_share) = (ceremony.as_bytes().to_vec(), share.to_bytes().to_vec());
    ValidatorPubKeyShareMessage { session_id, public_key_share }.encode_to_vec()
}

/// The public key of an operator's share, as he claims. For which run it is, the message does not say.
pub fn decode_public_share(bytes: &[u8], ceremony: &Root, most: usize) -> Result<PublicKey, PedersenRejection> {
    let message: ValidatorPubKeyShareMessage = read(bytes, most)?;
    if message.session_id != ceremony.as_bytes() {
        return Err(PedersenRejection::Ceremony);
    }
    point(&message.public_key_share)
}

/// The deals of an operator.
pub fn encode_deals(bundle: &DealBundle) -> Vec<u8> {
    let deal = |deal: &Deal| PedersenDeal { share_index: deal.to, encrypted_share: deal.sealed.to_vec() };
    PedersenDealBundle {
        dealer_index: number(bundle.dealer),
        deals: bundle.deals.iter().map(deal).collect(),
        public: bundle.public.iter().map(|point| point.to_bytes().to_vec()).collect(),
        session_id: bundle.session.as_bytes().to_vec(),
        signature: bundle.signature.to_bytes().as_bytes().to_vec(),
    }
    .encode_to_vec()
}

/// The responses of an operator.
pub fn encode_responses(bundle: &ResponseBundle) -> Vec<u8> {
    let response = |one: &Response| PedersenResponse { dealer_index: one.dealer, status: one.good };
    PedersenResponseBundle {
        share_index: number(bundle.holder),
        responses: bundle.responses.iter().map(response).collect(),
        session_id: bundle.session.as_bytes().to_vec(),
        signature: bundle.signature.to_bytes().as_bytes().to_vec(),
    }
    .encode_to_vec()
}

/// The justification of an operator.
pub fn encode_justification(bundle: &JustificationBundle) -> Vec<u8> {
    let entry = |(to, share): &(u32, SecretKey)| PedersenJustification {
        share_index: *to,
        share: share.to_bytes().to_vec(),
    };
    // The shares are for everybody now, and no secret any more.
    PedersenJustificationBundle {
        dealer_index: number(bundle.dealer),
        justifications: bundle.shares.iter().map(entry).collect(),
        session_id: bundle.session.as_bytes().to_vec(),
        signature: bundle.signature.to_bytes().as_bytes().to_vec(),
    }
    .encode_to_vec()
}

/// The bundle that an operator sent by this protocol.
pub fn decode_bundle(
    protocol: &str,
    bytes: &[u8],
    from: OperatorIndex,
    most: usize,
) -> Result<Bundle, PedersenRejection> {
    match protocol {
        DEALS_PROTOCOL => decode_deals(bytes, from, most).map(Bundle::Deals),
        RESPONSES_PROTOCOL => decode_responses(bytes, from, most).map(Bundle::Responses),
        JUSTIFICATIONS_PROTOCOL => decode_justification(bytes, from, most).map(Bundle::Justification),
        _ => Err(PedersenRejection::Undecodable),
    }
}

fn decode_deals(bytes: &[u8], from: OperatorIndex, most: usize) -> Result<DealBundle, PedersenRejection> {
    let message: PedersenDealBundle = read(bytes, most)?;
    let dealer = author(message.dealer_index, from)?;
    let deal = |deal: &PedersenDeal| {
        let sealed = fixed::<SEALED_SHARE_BYTES>(&deal.encrypted_share)?;
        Ok(Deal { to: deal.share_index, sealed })
    };
    Ok(DealBundle {
        dealer,
        deals: message.deals.iter().map(deal).collect::<Result<_, PedersenRejection>>()?,
        public: message.public.iter().map(|bytes| point(bytes)).collect::<Result<_, _>>()?,
        session: session(&message.session_id)?,
        signature: signature(&message.signature)?,
    })
}

fn decode_responses(
    bytes: &[u8],
    from: OperatorIndex,
    most: usize,
) -> Result<ResponseBundle, PedersenRejection> {
    let message: PedersenResponseBundle = read(bytes, most)?;
    let response = |one: &PedersenResponse| Response { dealer: one.dealer_index, good: one.status };
    Ok(ResponseBundle {
        holder: author(message.share_index, from)?,
        responses: message.responses.iter().map(response).collect(),
        session: session(&message.session_id)?,
        signature: signature(&message.signature)?,
    })
}

fn decode_justification(
    bytes: &[u8],
    from: OperatorIndex,
    most: usize,
) -> Result<JustificationBundle, PedersenRejection> {
    let mut message: PedersenJustificationBundle = read(bytes, most)?;
    let mut shares = Vec::new();
    for entry in &mut message.justifications {
        let share = Zeroizing::new(fixed::<32>(&entry.share)?);
        entry.share.zeroize();
        shares.push((entry.share_index, SecretKey::from_bytes(&share)?));
    }
    // What is signed has them in order.
    shares.sort_by_key(|(to, _)| *to);
    if shares.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other)) {
        return Err(PedersenRejection::Repeated);
    }
    Ok(JustificationBundle {
        dealer: author(message.dealer_index, from)?,
        shares,
        session: session(&message.session_id)?,
        signature: signature(&message.signature)?,
    })
}

fn read<M: prost::Message + Default>(bytes: &[u8], most: usize) -> Result<M, PedersenRejection> {
    if bytes.len() > most {
        return Err(PedersenRejection::TooLong { bytes: bytes.len(), most });
    }
    M::decode(bytes).map_err(|_| PedersenRejection::Undecodable)
}

fn author(named: u32, from: OperatorIndex) -> Result<OperatorIndex, PedersenRejection> {
    if named == number(from) { Ok(from) } else { Err(PedersenRejection::Author(named)) }
}

/// An operator as these messages count: from zero.
fn number(operator: OperatorIndex) -> u32 {
    u32::try_from(operator.position()).unwrap_or(u32::MAX)
}

fn point(bytes: &[u8]) -> Result<PublicKey, PedersenRejection> {
    Ok(PublicKey::from_bytes(&fixed(bytes)?)?)
}

fn signature(bytes: &[u8]) -> Result<Signature, PedersenRejection> {
    Ok(Signature::from_bytes(&fixed(bytes)?)?)
}

fn session(bytes: &[u8]) -> Result<Session, PedersenRejection> {
    Ok(Session::from_bytes(fixed(bytes)?))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], PedersenRejection> {
    bytes.try_into().map_err(|_| PedersenRejection::Length { found: bytes.len(), wanted: N })
}
