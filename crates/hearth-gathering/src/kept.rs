//! A definition within what is kept: as JSON, the form in which it is hashed.

use hearth_obol::cluster::Definition;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

#[expect(clippy::ref_option, reason = "the signature that the derived code calls")]
pub(crate) fn encode<C, W: minicbor::encode::Write>(
    definition: &Option<Definition>,
    e: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    match definition.as_ref().and_then(|definition| definition.to_json().ok()) {
        Some(json) => e.str(&json)?.ok(),
        None => e.null()?.ok(),
    }
}

pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Option<Definition>, Error> {
    if d.datatype()? == minicbor::data::Type::Null {
        d.null()?;
        return Ok(None);
    }
    Definition::from_json(d.str()?.as_bytes()).map(Some).map_err(|_| Error::message("no definition"))
}
