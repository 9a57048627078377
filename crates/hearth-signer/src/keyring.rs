//! Our share of every validator's key, in memory.

use std::collections::BTreeMap;

use hearth_crypto::SecretKey;
use hearth_slashing::SigningPermit;
use hearth_types::{ChainSpec, SignatureBytes, ValidatorPubkey};
use thiserror::Error;

use crate::cores::{available, spread};
use crate::{FreeMessage, NoDomain};

/// Permits that are worth a thread of their own: a signature takes 0.3 ms, a thread a tenth of that.
const PERMITS_PER_LANE: usize = 4;

/// The key shares of one operator, by the group public key of the validator. Wiped on drop.
///
/// Shares go in and signatures come out. There is no way to sign a bare root:
/// ```compile_fail,E0308
/// fn bare(keyring: &hearth_signer::Keyring, root: hearth_types::SigningRoot) {
///     let _signature = keyring.sign(root);
/// }
/// ```
/// and none to copy the shares:
/// ```compile_fail,E0599
/// fn copy(keyring: &hearth_signer::Keyring) -> hearth_signer::Keyring {
///     hearth_signer::Keyring::clone(keyring)
/// }
/// ```
pub struct Keyring {
    shares: BTreeMap<ValidatorPubkey, SecretKey>,
}

/// This operator holds no share of the validator's key.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("there is no key share for validator {}", .0.abbreviated())]
pub struct UnknownValidator(pub ValidatorPubkey);

/// Why a free message was not signed.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum FreeRefusal {
    /// No share of that validator's key.
    #[error(transparent)]
    UnknownValidator(#[from] UnknownValidator),
    /// The domain is not known.
    #[error(transparent)]
    NoDomain(#[from] NoDomain),
    /// A deposit or registration of one validator was to be signed by another.
    #[error("the message is of validator {}, not of {}", named.abbreviated(), signer.abbreviated())]
    OfAnother {
        /// Whose key was to sign.
        signer: ValidatorPubkey,
        /// Whom the message names.
        named: ValidatorPubkey,
    },
}

impl Keyring {
    /// A keyring with these shares. Of two shares for one validator the later stays.
    pub fn new(shares: impl IntoIterator<Item = (ValidatorPubkey, SecretKey)>) -> Self {
        Self { shares: shares.into_iter().collect() }
    }

    /// Group public keys of the validators that it has a share for, in ascending order.
    pub fn validators(&self) -> impl ExactSizeIterator<Item = &ValidatorPubkey> {
        self.shares.keys()
    }

    /// Whether it has a share for this validator.
    pub fn holds(&self, validator: &ValidatorPubkey) -> bool {
        self.shares.contains_key(validator)
    }

    /// Signs the permitted message and nothing else; the permit is spent. A second use does not compile:
    /// ```compile_fail,E0382
    /// fn twice(keyring: &hearth_signer::Keyring, permit: hearth_slashing::SigningPermit) {
    ///     let _first = keyring.sign(permit);
    ///     let _second = keyring.sign(permit);
    /// }
    /// ```
    pub fn sign(&self, permit: SigningPermit) -> Result<SignatureBytes, UnknownValidator> {
        let share = self.share(permit.validator())?;
        Ok(share.sign(permit.root()).to_bytes())
    }

    /// Signs a slot's worth of permits, over several cores where there are many; answers in their order.
    pub(crate) fn sign_all<E: Send>(
        &self,
        permits: Vec<Result<SigningPermit, E>>,
    ) -> Vec<Result<Result<SignatureBytes, UnknownValidator>, E>> {
        let lanes = available().min(permits.len() / PERMITS_PER_LANE);
        let sign = |permit: Result<SigningPermit, E>| -> Result<_, std::convert::Infallible> {
            Ok(permit.map(|permit| self.sign(permit)))
        };
        match spread(permits, lanes, sign, |_| {}) {
            Ok(signatures) => signatures,
        }
    }

    /// Signs a message that cannot be slashed, with the share of `validator`.
    ///
    /// Errors: [`FreeRefusal`].
    pub fn sign_free(
        &self,
        validator: &ValidatorPubkey,
        message: &FreeMessage,
        spec: &ChainSpec,
    ) -> Result<SignatureBytes, FreeRefusal> {
        let share = self.share(validator)?;
        match message.names() {
            Some(named) if named != validator => {
                Err(FreeRefusal::OfAnother { signer: *validator, named: *named })
            }
            _ => Ok(share.sign(&message.signing_root(spec)?).to_bytes()),
        }
    }

    fn share(&self, validator: &ValidatorPubkey) -> Result<&SecretKey, UnknownValidator> {
        self.shares.get(validator).ok_or(UnknownValidator(*validator))
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.validators()).finish()
    }
}
