//! The rule that all payloads of duties share: SSZ on the wire, JSON understood.

use serde::de::DeserializeOwned;
use thiserror::Error;

/// Bytes that are not the object that their duty calls for. Never quotes them.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Malformed {
    /// Not the SSZ form, nor JSON.
    #[error("{0} is malformed")]
    Ssz(&'static str),
    /// Starts like JSON but is not the expected object.
    #[error("JSON is malformed at line {line}, column {column}")]
    Json {
        /// Line from 1.
        line: usize,
        /// Column from 1.
        column: usize,
    },
    /// Well-formed, but against a rule of its content.
    #[error("{0}")]
    Rule(&'static str),
}

/// Tries SSZ; if that fails and the bytes look like a JSON object, tries that.
///
/// Source: `obol-duties.md` 3.1.
pub(crate) fn ssz_or_json<J: DeserializeOwned, T>(
    bytes: &[u8],
    ssz: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    json: impl FnOnce(J) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let refused = match ssz(bytes) {
        Ok(value) => return Ok(value),
        Err(refused) => refused,
    };
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(refused);
    }
    let read = serde_json::from_slice(bytes)
        .map_err(|error| Malformed::Json { line: error.line(), column: error.column() })?;
    json(read)
}
