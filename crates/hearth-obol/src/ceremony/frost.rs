//! The three messages of FROST, each about all validators of the ceremony.
//!
//! Entries may come in any order; each validator is there once, no other is.
//!
//! Source: `obol-dkg.md` 7.2, 7.3.

use std::collections::BTreeMap;

use hearth_crypto::{Commitments, InvalidPoint, InvalidScalar, InvalidSecretKey, Proof, PublicKey, SecretKey};
use hearth_dkg::frost::{Cast, Claim, Terms};
use hearth_types::ShareIndex;
use prost::Message as _;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use super::proto::{
    FrostMsgKey, FrostRound1Cast, FrostRound1Casts, FrostRound1P2P, FrostRound1ShamirShare, FrostRound2Cast,
    FrostRound2Casts,
};

/// Protocol of the shares; one-way.
pub const SHARES_PROTOCOL: &str = "/charon/dkg/frost/2.0.0/round1/p2p";

/// Target of what everybody is told.
const EVERYBODY: u32 = 0;

/// Why a message was refused. Completes the sentence "operator 3 sent …".
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum FrostRejection {
    /// Longer than any message of this ceremony.
    #[error("{bytes} bytes where {most} are enough")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// Not a message of this protocol at all.
    #[error("something that is no message of this round")]
    Undecodable,
    /// An entry does not say whose it is.
    #[error("an entry without a key")]
    NoKey,
    /// An entry of another operator.
    #[error("an entry of operator {0}")]
    Source(u32),
    /// An entry for somebody else.
    #[error("an entry for operator {0}")]
    Target(u32),
    /// A share that is said to be another operator's.
    #[error("a share of operator {0}")]
    ShareOf(u32),
    /// An entry for a validator that the ceremony does not make.
    #[error("an entry for validator {0}, which there is not")]
    NoSuchValidator(u32),
    /// Two entries for one validator.
    #[error("two entries for validator {0}")]
    Repeated(u32),
    /// Validators without an entry.
    #[error("entries for {found} of {wanted} validators")]
    Incomplete {
        /// Validators with one.
        found: usize,
        /// Validators of the ceremony.
        wanted: usize,
    },
    /// A number or a point of another length.
    #[error("{found} bytes where {wanted} were due")]
    Length {
        /// Bytes.
        found: usize,
        /// Bytes of the encoding.
        wanted: usize,
    },
    /// No number below the order of the group.
    #[error("{0}")]
    Scalar(#[from] InvalidScalar),
    /// No share: zero, or not below the order.
    #[error("{0}")]
    Share(#[from] InvalidSecretKey),
    /// No point, or the identity.
    #[error("{0}")]
    Point(#[from] InvalidPoint),
    /// An entry commits to nothing.
    #[error("an entry without commitments")]
    NoCommitments,
}

/// Writes what everybody is told in the first round.
pub fn encode_casts(terms: &Terms, casts: &[Cast]) -> Vec<u8> {
    let cast = |(key, cast): (FrostMsgKey, &Cast)| FrostRound1Cast {
        key: Some(key),
        wi: cast.proof.response().to_vec(),
        ci: cast.proof.challenge().to_vec(),
        commitments: cast.commitments.points().iter().map(|point| point.to_bytes().to_vec()).collect(),
    };
    let keys = keys(terms.me.share(), EVERYBODY);
    FrostRound1Casts { casts: keys.zip(casts).map(cast).collect() }.encode_to_vec()
}

/// Reads it, by validator.
pub fn decode_casts(frame: &[u8], from: ShareIndex, terms: &Terms) -> Result<Vec<Cast>, FrostRejection> {
    let entry_bytes = 80 + (terms.threshold.count() + 1) * 50;
    let message: FrostRound1Casts = read(frame, terms, entry_bytes)?;
    let mut found = Entries::new(terms, from, EVERYBODY);
    for FrostRound1Cast { key, wi, ci, commitments } in message.casts {
        let points = commitments.iter().map(|point| Ok(PublicKey::from_bytes(&sized(point)?)?));
        let points = points.collect::<Result<Vec<_>, FrostRejection>>()?;
        let commitments = Commitments::new(points).ok_or(FrostRejection::NoCommitments)?;
        found.add(key, Cast { commitments, proof: Proof::from_bytes(sized(&ci)?, sized(&wi)?)? })?;
    }
    found.whole()
}

/// Writes what one operator alone is told. **Secret.**
pub fn encode_shares(terms: &Terms, to: ShareIndex, shares: &[SecretKey]) -> Zeroizing<Vec<u8>> {
    let share = |(key, share): (FrostMsgKey, &SecretKey)| FrostRound1ShamirShare {
        key: Some(key),
        id: to.get().into(),
        value: share.to_bytes().to_vec(),
    };
    let keys = keys(terms.me.share(), to.get().into());
    let mut message = FrostRound1P2P { shares: keys.zip(shares).map(share).collect() };
    let bytes = Zeroizing::new(message.encode_to_vec());
    wipe(&mut message);
    bytes
}

/// Reads it, by validator.
pub fn decode_shares(frame: &[u8], from: ShareIndex, terms: &Terms) -> Result<Vec<SecretKey>, FrostRejection> {
    let mut message: FrostRound1P2P = read(frame, terms, 80)?;
    let shares = shares_of(&message, from, terms);
    wipe(&mut message);
    shares
}

fn shares_of(
    message: &FrostRound1P2P,
    from: ShareIndex,
    terms: &Terms,
) -> Result<Vec<SecretKey>, FrostRejection> {
    let me = u32::from(terms.me.share().get());
    let mut found = Entries::new(terms, from, me);
    for FrostRound1ShamirShare { key, id, value } in &message.shares {
        // Charon takes the share for whatever index the sender names; so would a share of another polynomial pass.
        if *id != me {
            return Err(FrostRejection::ShareOf(*id));
        }
        found.add(*key, SecretKey::from_bytes(&Zeroizing::new(sized(value)?))?)?;
    }
    found.whole()
}

fn wipe(message: &mut FrostRound1P2P) {
    message.shares.iter_mut().for_each(|share| share.value.zeroize());
}

/// Writes what everybody is told in the second round.
pub fn encode_claims(terms: &Terms, claims: &[Claim]) -> Vec<u8> {
    let cast = |(key, claim): (FrostMsgKey, &Claim)| FrostRound2Cast {
        key: Some(key),
        verification_key: claim.group.to_bytes().to_vec(),
        vk_share: claim.share.to_bytes().to_vec(),
    };
    let keys = keys(terms.me.share(), EVERYBODY);
    FrostRound2Casts { casts: keys.zip(claims).map(cast).collect() }.encode_to_vec()
}

/// Reads it, by validator.
pub fn decode_claims(frame: &[u8], from: ShareIndex, terms: &Terms) -> Result<Vec<Claim>, FrostRejection> {
    let message: FrostRound2Casts = read(frame, terms, 140)?;
    let mut found = Entries::new(terms, from, EVERYBODY);
    for FrostRound2Cast { key, verification_key, vk_share } in message.casts {
        let point = |bytes: &[u8]| Ok::<_, FrostRejection>(PublicKey::from_bytes(&sized(bytes)?)?);
        found.add(key, Claim { group: point(&verification_key)?, share: point(&vk_share)? })?;
    }
    found.whole()
}

fn keys(from: ShareIndex, target_id: u32) -> impl Iterator<Item = FrostMsgKey> {
    (0..).map(move |val_idx| FrostMsgKey { val_idx, source_id: from.get().into(), target_id })
}

/// Decodes what is not longer than a message of so many bytes for each validator, twice over: numbers may be written longer
/// than they have to be.
fn read<M: prost::Message + Default>(
    frame: &[u8],
    terms: &Terms,
    entry_bytes: usize,
) -> Result<M, FrostRejection> {
    let most = terms.validators.saturating_mul(2 * entry_bytes);
    if frame.len() > most {
        return Err(FrostRejection::TooLong { bytes: frame.len(), most });
    }
    M::decode(frame).map_err(|_| FrostRejection::Undecodable)
}

fn sized<const N: usize>(bytes: &[u8]) -> Result<[u8; N], FrostRejection> {
    bytes.try_into().map_err(|_| FrostRejection::Length { found: bytes.len(), wanted: N })
}

/// The entries of one message, as they come.
struct Entries<T> {
    validators: usize,
    source: u32,
    target: u32,
    found: BTreeMap<u32, T>,
}

impl<T> Entries<T> {
    fn new(terms: &Terms, from: ShareIndex, target: u32) -> Self {
        let found = BTreeMap::new();
        Self { validators: terms.validators, source: from.get().into(), target, found }
    }

    fn add(&mut self, key: Option<FrostMsgKey>, entry: T) -> Result<(), FrostRejection> {
        let FrostMsgKey { val_idx, source_id, target_id } = key.ok_or(FrostRejection::NoKey)?;
        if source_id != self.source {
            return Err(FrostRejection::Source(source_id));
        }
        if target_id != self.target {
            return Err(FrostRejection::Target(target_id));
        }
        if usize::try_from(val_idx).is_ok_and(|index| index >= self.validators) {
            return Err(FrostRejection::NoSuchValidator(val_idx));
        }
        match self.found.insert(val_idx, entry) {
            None => Ok(()),
            Some(_) => Err(FrostRejection::Repeated(val_idx)),
        }
    }

    fn whole(self) -> Result<Vec<T>, FrostRejection> {
        if self.found.len() < self.validators {
            return Err(FrostRejection::Incomplete { found: self.found.len(), wanted: self.validators });
        }
        Ok(self.found.into_values().collect())
    }
}
