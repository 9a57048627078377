//! What operators send each other in a run. A bundle that exists was signed by its author.

use std::fmt;

use hearth_crypto::{PublicKey, SEALED_SHARE_BYTES, SecretKey, Signature};
use hearth_types::OperatorIndex;
use sha2::{Digest, Sha256};

use super::Session;

/// A share for one operator, sealed to his key of the ceremony.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Deal {
    /// For whom; as a bundle says it, counted from zero.
    pub to: u32,
    /// The share.
    pub sealed: [u8; SEALED_SHARE_BYTES],
}

impl fmt::Debug for Deal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deal(to {})", self.to)
    }
}

/// An operator's part in the key: what he commits to, and a share for each of the others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DealBundle {
    /// Whose.
    pub dealer: OperatorIndex,
    /// The shares, by receiver.
    pub deals: Vec<Deal>,
    /// What he commits to, the secret's point first.
    pub public: Vec<PublicKey>,
    /// Of which run.
    pub session: Session,
    /// By the dealer's key of the ceremony.
    pub signature: Signature,
}

/// Whether a dealer's share was right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Response {
    /// Whose share; counted from zero.
    pub dealer: u32,
    /// Whether it was.
    pub good: bool,
}

/// What an operator says of the shares that he was dealt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResponseBundle {
    /// Who says it.
    pub holder: OperatorIndex,
    /// Of each dealer, by number.
    pub responses: Vec<Response>,
    /// Of which run.
    pub session: Session,
    /// By the holder's key of the ceremony.
    pub signature: Signature,
}

/// Shares that were complained of, for everybody to see.
#[derive(Debug)]
pub struct JustificationBundle {
    /// Whose.
    pub dealer: OperatorIndex,
    /// The shares, by receiver, who is counted from zero.
    pub shares: Vec<(u32, SecretKey)>,
    /// Of which run.
    pub session: Session,
    /// By the dealer's key of the ceremony.
    pub signature: Signature,
}

impl DealBundle {
    pub(super) fn sign(
        (dealer, key): (OperatorIndex, &SecretKey),
        mut deals: Vec<Deal>,
        public: Vec<PublicKey>,
        session: Session,
    ) -> Self {
        deals.sort_by_key(|deal| deal.to);
        let signature = key.sign_message(&Self::digest(dealer, &deals, &public, session));
        Self { dealer, deals, public, session, signature }
    }

    /// What is signed.
    pub fn hash(&self) -> [u8; 32] {
        let mut deals = self.deals.clone();
        deals.sort_by_key(|deal| deal.to);
        Self::digest(self.dealer, &deals, &self.public, self.session)
    }

    fn digest(dealer: OperatorIndex, deals: &[Deal], public: &[PublicKey], session: Session) -> [u8; 32] {
        let mut hash = Sha256::new().chain_update(number(dealer).to_be_bytes());
        for point in public {
            hash.update(point.to_bytes());
        }
        for Deal { to, sealed } in deals {
            hash.update(to.to_be_bytes());
            hash.update(sealed);
        }
        hash.chain_update(session.as_bytes()).finalize().into()
    }
}

impl ResponseBundle {
    pub(super) fn sign(
        (holder, key): (OperatorIndex, &SecretKey),
        mut responses: Vec<Response>,
        session: Session,
    ) -> Self {
        responses.sort_by_key(|response| response.dealer);
        let signature = key.sign_message(&Self::digest(holder, &responses, session));
        Self { holder, responses, session, signature }
    }

    /// What is signed.
    pub fn hash(&self) -> [u8; 32] {
        let mut responses = self.responses.clone();
        responses.sort_by_key(|response| response.dealer);
        Self::digest(self.holder, &responses, self.session)
    }

    fn digest(holder: OperatorIndex, responses: &[Response], session: Session) -> [u8; 32] {
        let mut hash = Sha256::new().chain_update(number(holder).to_be_bytes());
        for Response { dealer, good } in responses {
            hash.update(dealer.to_be_bytes());
            hash.update([u8::from(*good)]);
        }
        hash.chain_update(session.as_bytes()).finalize().into()
    }
}

impl JustificationBundle {
    pub(super) fn sign(
        (dealer, key): (OperatorIndex, &SecretKey),
        mut shares: Vec<(u32, SecretKey)>,
        session: Session,
    ) -> Self {
        shares.sort_by_key(|(to, _)| *to);
        let signature = key.sign_message(&Self::digest(dealer, &shares, session));
        Self { dealer, shares, session, signature }
    }

    /// What is signed. The shares must be in the order of their receivers.
    pub fn hash(&self) -> [u8; 32] {
        Self::digest(self.dealer, &self.shares, self.session)
    }

    fn digest(dealer: OperatorIndex, shares: &[(u32, SecretKey)], session: Session) -> [u8; 32] {
        let mut hash = Sha256::new().chain_update(number(dealer).to_be_bytes());
        for (to, share) in shares {
            hash.update(to.to_be_bytes());
            hash.update(share.to_bytes().as_slice());
        }
        hash.chain_update(session.as_bytes()).finalize().into()
    }
}

/// An operator as bundles count: from zero.
pub(super) fn number(operator: OperatorIndex) -> u32 {
    u32::try_from(operator.position()).unwrap_or(u32::MAX)
}
