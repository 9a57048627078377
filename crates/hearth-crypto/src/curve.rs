//! The few functions of `blst` that have no safe form, each behind one that has.
//!
//! Knows points and scalars only; meaning begins in the modules that use it.
//!
//! Invariant of every `unsafe` block here: `blst` functions read whole structures through `*const` and write whole
//! structures through `*mut`, never keep a pointer, and accept an output that aliases an input. All pointers come from
//! live references of exactly the type that the signature names.

use blst::{MultiPoint as _, blst_fp12, blst_p1, blst_p1_affine, blst_p2, blst_p2_affine, blst_scalar};
use hearth_types::SigningRoot;

/// Ciphersuite of Ethereum's validators: minimal public keys, proof of possession.
///
/// Source: consensus-specs, phase0/beacon-chain.md, "BLS signatures".
pub(crate) const CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// The point of G2 that a secret key multiplies to sign `root`.
pub(crate) fn hash_to_g2(root: &SigningRoot) -> blst_p2_affine {
    hash_to_g2_in(root.as_bytes(), CIPHERSUITE)
}

/// The same for a hash in a ciphersuite.
#[allow(unsafe_code)]
pub(crate) fn hash_to_g2_in(message: &[u8; 32], ciphersuite: &[u8]) -> blst_p2_affine {
    let (mut hashed, mut point) = (blst_p2::default(), blst_p2_affine::default());
    // SAFETY: each pointer is paired with the length of the slice it came from; an empty augmentation may be null.
    unsafe {
        blst::blst_hash_to_g2(
            &mut hashed,
            message.as_ptr(),
            message.len(),
            ciphersuite.as_ptr(),
            ciphersuite.len(),
            std::ptr::null(),
            0,
        );
        blst::blst_p2_to_affine(&mut point, &hashed);
    }
    point
}

/// Whether `e(key, message) = e(generator, signature)`.
pub(crate) fn pairing_holds(
    key: &blst_p1_affine,
    message: &blst_p2_affine,
    signature: &blst_p2_affine,
) -> bool {
    // One Miller loop over both pairs shares its squarings: e(key, message) * e(-generator, signature) = 1.
    let product = blst_fp12::miller_loop_n(&[*message, *signature], &[*key, negated_generator()]);
    blst_fp12::finalverify(&product, &blst_fp12::default())
}

/// Whether the product of all `e(keys[i], messages[i])` is `e(generator, signature)`. The two lengths must fit; no signature
/// is the identity.
pub(crate) fn pairings_hold(
    keys: &[blst_p1_affine],
    messages: &[blst_p2_affine],
    signature: Option<&blst_p2_affine>,
) -> bool {
    let Some(signature) = signature else { return keys.is_empty() };
    let points: Vec<_> = messages.iter().chain([signature]).copied().collect();
    let keys: Vec<_> = keys.iter().copied().chain([negated_generator()]).collect();
    let product = blst_fp12::miller_loop_n(&points, &keys);
    blst_fp12::finalverify(&product, &blst_fp12::default())
}

#[allow(unsafe_code)]
fn negated_generator() -> blst_p1_affine {
    // SAFETY: a constant of the linked library, initialised before the program starts and never written.
    unsafe { blst::BLS12_381_NEG_G1 }
}

/// The generator of G1.
#[allow(unsafe_code)]
pub(crate) fn g1_generator() -> blst_p1_affine {
    // SAFETY: a constant of the linked library, as in `negated_generator`; the pointer is valid for ever.
    unsafe { *blst::blst_p1_affine_generator() }
}

/// The compressed encoding of a point of G1, the identity included.
#[allow(unsafe_code)]
pub(crate) fn g1_compressed(point: &blst_p1) -> [u8; 48] {
    let mut bytes = [0; 48];
    // SAFETY: 48 bytes are written to a buffer of 48.
    unsafe { blst::blst_p1_compress(bytes.as_mut_ptr(), point) };
    bytes
}

/// `point + other` in G1, whatever they are.
#[allow(unsafe_code)]
pub(crate) fn g1_plus(point: &blst_p1, other: &blst_p1_affine) -> blst_p1 {
    let mut sum = blst_p1::default();
    // SAFETY: see the module; this addition is complete.
    unsafe { blst::blst_p1_add_or_double_affine(&mut sum, point, other) };
    sum
}

/// `point * factor` in G1. Variable time: for public factors.
#[allow(unsafe_code)]
pub(crate) fn g1_multiply_small(point: &blst_p1, factor: u8) -> blst_p1 {
    let mut product = blst_p1::default();
    for bit in (0..u8::BITS - factor.leading_zeros()).rev() {
        let place: *mut blst_p1 = &mut product;
        // SAFETY: see the module; the output is the input, and this addition is complete.
        unsafe {
            blst::blst_p1_double(place, place);
            if factor >> bit & 1 == 1 {
                blst::blst_p1_add_or_double(place, place, point);
            }
        }
    }
    product
}

/// A number from a message: `expand_message_xmd` with SHA-256 to 48 bytes, big-endian, modulo the order.
///
/// Source: RFC 9380, 5.2 and 5.3.1; `spec/obol-dkg.md` 7.1.
#[allow(unsafe_code)]
pub(crate) fn hash_to_scalar(message: &[u8]) -> Scalar {
    const DOMAIN: &[u8] = b"BLS12381_XMD:SHA-256_SSWU_RO_";
    let mut expanded = [0_u8; 48];
    let mut scalar = blst_scalar::default();
    // SAFETY: each pointer is paired with the length of the buffer it came from.
    unsafe {
        blst::blst_expand_message_xmd(
            expanded.as_mut_ptr(),
            expanded.len(),
            message.as_ptr(),
            message.len(),
            DOMAIN.as_ptr(),
            DOMAIN.len(),
        );
        // Says whether the number is zero, which is a number here.
        let _is_key = blst::blst_scalar_from_be_bytes(&mut scalar, expanded.as_ptr(), expanded.len());
    }
    Scalar(scalar)
}

/// A point of G1 in the form that keys are kept in; `None` for the identity.
#[allow(unsafe_code)]
pub(crate) fn g1_affine(point: &blst_p1) -> Option<blst_p1_affine> {
    let mut affine = blst_p1_affine::default();
    // SAFETY: see the module.
    unsafe {
        if blst::blst_p1_is_inf(point) {
            return None;
        }
        blst::blst_p1_to_affine(&mut affine, point);
    }
    Some(affine)
}

/// A point of G2 in the form that signatures are kept in; `None` for the identity.
#[allow(unsafe_code)]
pub(crate) fn g2_affine(point: &blst_p2) -> Option<blst_p2_affine> {
    let mut affine = blst_p2_affine::default();
    // SAFETY: see the module.
    unsafe {
        if blst::blst_p2_is_inf(point) {
            return None;
        }
        blst::blst_p2_to_affine(&mut affine, point);
    }
    Some(affine)
}

/// Sum of `points[i] * scalars[i]` in G1, with scalars of `bits` bits, little-endian, packed without gaps.
///
/// Variable time: for public scalars. The two lengths must fit; no points sum to the identity.
pub(crate) fn g1_multiply_sum(points: &[blst_p1_affine], scalars: &[u8], bits: usize) -> blst_p1 {
    if points.is_empty() { blst_p1::default() } else { points.mult(scalars, bits) }
}

/// As [`g1_multiply_sum`], in G2.
pub(crate) fn g2_multiply_sum(points: &[blst_p2_affine], scalars: &[u8], bits: usize) -> blst_p2 {
    if points.is_empty() { blst_p2::default() } else { points.mult(scalars, bits) }
}

/// Sum of points of G1.
pub(crate) fn g1_sum(points: &[blst_p1_affine]) -> blst_p1 {
    if points.is_empty() { blst_p1::default() } else { points.add() }
}

/// Sum of points of G2.
pub(crate) fn g2_sum(points: &[blst_p2_affine]) -> blst_p2 {
    if points.is_empty() { blst_p2::default() } else { points.add() }
}

/// Sum of `factor * point` in G2, for factors of a few bits: one shared chain of doublings.
///
/// Variable time: for public factors.
#[allow(unsafe_code)]
pub(crate) fn g2_multiply_sum_small(terms: &[(i128, blst_p2_affine)]) -> blst_p2 {
    let bits =
        terms.iter().map(|(factor, _)| i128::BITS - factor.unsigned_abs().leading_zeros()).max().unwrap_or(0);
    let signed: Vec<(u128, blst_p2_affine)> = terms
        .iter()
        .map(|(factor, point)| (factor.unsigned_abs(), if *factor < 0 { g2_negated(point) } else { *point }))
        .collect();

    let mut sum = blst_p2::default();
    let place: *mut blst_p2 = &mut sum;
    for bit in (0..bits).rev() {
        // SAFETY: see the module; the output is the input.
        unsafe { blst::blst_p2_double(place, place) };
        for (_, point) in signed.iter().filter(|(factor, _)| factor >> bit & 1 == 1) {
            // SAFETY: as above; this addition is complete, so equal points and the identity are allowed.
            unsafe { blst::blst_p2_add_or_double_affine(place, place, point) };
        }
    }
    sum
}

#[allow(unsafe_code)]
fn g2_negated(point: &blst_p2_affine) -> blst_p2_affine {
    let (mut full, mut negated) = (blst_p2::default(), blst_p2_affine::default());
    // SAFETY: see the module.
    unsafe {
        blst::blst_p2_from_affine(&mut full, point);
        blst::blst_p2_cneg(&mut full, true);
        blst::blst_p2_to_affine(&mut negated, &full);
    }
    negated
}

/// `point * factor` in G1. Constant time.
#[allow(unsafe_code)]
pub(crate) fn g1_multiply(point: &blst_p1_affine, factor: &Scalar) -> blst_p1 {
    let (mut whole, mut product) = (blst_p1::default(), blst_p1::default());
    // SAFETY: see the module; 255 bits are read from a buffer of 32 bytes.
    unsafe {
        blst::blst_p1_from_affine(&mut whole, point);
        blst::blst_p1_mult(&mut product, &whole, factor.0.b.as_ptr(), SCALAR_BITS);
    }
    product
}

/// `point * factor` in G2.
#[allow(unsafe_code)]
pub(crate) fn g2_multiply(point: &blst_p2, factor: &Scalar) -> blst_p2 {
    let mut product = blst_p2::default();
    // SAFETY: 255 bits are read from a buffer of 32 bytes.
    unsafe { blst::blst_p2_mult(&mut product, point, factor.0.b.as_ptr(), SCALAR_BITS) };
    product
}

/// Bits of the order of both groups.
pub(crate) const SCALAR_BITS: usize = 255;

/// A number modulo the order of both groups. Zeroed on drop; arithmetic in constant time; no Debug.
pub(crate) struct Scalar(blst_scalar);

impl Scalar {
    /// Order minus one, little-endian.
    const MINUS_ONE: [u8; 32] = [
        0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0x02, 0xa4, 0xbd, 0x53, 0x05,
        0xd8, 0xa1, 0x09, 0x08, 0xd8, 0x39, 0x33, 0x48, 0x7d, 0x9d, 0x29, 0x53, 0xa7, 0xed, 0x73,
    ];

    /// A small number.
    pub(crate) fn small(number: u128) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
        Self(blst_scalar { b: bytes })
    }

    /// Reads 32 bytes, big-endian; `None` where the number is not below the order.
    #[allow(unsafe_code)]
    pub(crate) fn from_be_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let mut scalar = blst_scalar::default();
        // SAFETY: 32 bytes are read from a buffer of 32.
        let canonical = unsafe {
            blst::blst_scalar_from_bendian(&mut scalar, bytes.as_ptr());
            blst::blst_scalar_fr_check(&scalar)
        };
        canonical.then_some(Self(scalar))
    }

    /// 32 bytes, big-endian.
    pub(crate) fn to_be_bytes(&self) -> [u8; 32] {
        let mut bytes = self.0.b;
        bytes.reverse();
        bytes
    }

    /// Variable time: for public numbers.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.b == [0; 32]
    }

    /// The number that a `blst` key holds.
    pub(crate) fn of(key: &blst::min_pk::SecretKey) -> Self {
        let scalar: &blst_scalar = key.into();
        Self(scalar.clone())
    }

    /// The key with this number; `None` for zero, which is no key.
    pub(crate) fn to_key(&self) -> Option<blst::min_pk::SecretKey> {
        <&blst::min_pk::SecretKey>::try_from(&self.0).ok().cloned()
    }

    /// Little-endian, as multi-scalar multiplication reads it.
    pub(crate) fn as_le_bytes(&self) -> &[u8; 32] {
        &self.0.b
    }

    #[allow(unsafe_code)]
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let mut sum = blst_scalar::default();
        // SAFETY: see the module. The result says whether the sum is zero, which is a fine sum here.
        let _is_key = unsafe { blst::blst_sk_add_n_check(&mut sum, &self.0, &other.0) };
        Self(sum)
    }

    #[allow(unsafe_code)]
    pub(crate) fn times(&self, other: &Self) -> Self {
        let mut product = blst_scalar::default();
        // SAFETY: as in `plus`.
        let _is_key = unsafe { blst::blst_sk_mul_n_check(&mut product, &self.0, &other.0) };
        Self(product)
    }

    pub(crate) fn negated(&self) -> Self {
        self.times(&Self(blst_scalar { b: Self::MINUS_ONE }))
    }

    /// `1 / self`; zero for zero.
    #[allow(unsafe_code)]
    pub(crate) fn inverse(&self) -> Self {
        let mut inverse = blst_scalar::default();
        // SAFETY: see the module.
        unsafe { blst::blst_sk_inverse(&mut inverse, &self.0) };
        Self(inverse)
    }
}
