//! One file from one address.

use std::time::Duration;

use crate::error::BeaconError;
use crate::http::{Http, Route};
use crate::node::NoTrustRoots;
use crate::url::NodeUrl;

/// Why a file was not fetched.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DownloadError {
    /// The connection could not be trusted.
    #[error(transparent)]
    NoTrustRoots(#[from] NoTrustRoots),
    /// The server did not give it.
    #[error(transparent)]
    Server(#[from] BeaconError),
}

/// What the server gives for `url`, at most `limit_bytes` within ten seconds. Redirects are not followed.
///
/// Source: `obol-cluster.md` 11, "fetch definition".
pub async fn download(url: &NodeUrl, limit_bytes: usize) -> Result<Vec<u8>, DownloadError> {
    download_with(url, &[], limit_bytes).await
}

/// As [`download`], asked for with these headers.
pub async fn download_with(
    url: &NodeUrl,
    headers: &[(&'static str, String)],
    limit_bytes: usize,
) -> Result<Vec<u8>, DownloadError> {
    let route = Route { name: "download", limit_bytes };
    Ok(Http::new(url.clone())?.get_with(route, headers, Duration::from_secs(10)).await?)
}
