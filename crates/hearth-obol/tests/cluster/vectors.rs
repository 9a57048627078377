//! The vectors of the specification, where they are at hand.

use std::path::PathBuf;

/// A file of the vectors; `None` where these are not at hand.
pub(crate) fn vector(name: &str) -> Option<Vec<u8>> {
    let file = folder().join(name);
    let content = std::fs::read(&file).ok();
    if content.is_none() {
        println!("skipped: {} not found", file.display());
    }
    content
}

/// A file of the vectors as JSON.
pub(crate) fn vector_json(name: &str) -> Option<serde_json::Value> {
    vector(name).map(|content| serde_json::from_slice(&content).unwrap())
}

/// The bytes behind hex digits, with or without `0x`.
pub(crate) fn bytes(field: &serde_json::Value) -> Vec<u8> {
    let text = field.as_str().unwrap();
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).unwrap()
}

/// Where they would be.
pub(crate) fn folder() -> PathBuf {
    let folder = std::env::var_os("HEARTH_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
        PathBuf::from,
    );
    folder.join("obol-cluster")
}
