//! Addresses of nodes. They may carry credentials, so their text never leaves this file.

use std::str::FromStr;

use reqwest::Url;
use thiserror::Error;

/// Where a beacon node or an execution client listens: `http` or `https`, optionally with a path and with credentials for basic
/// authentication. Prints as its [`RedactedUrl`].
#[derive(Clone, Eq, PartialEq)]
pub struct NodeUrl(Url);

/// A text that cannot be the address of a node. The text itself is left out: it may hold a password.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum InvalidNodeUrl {
    /// Not a URL at all.
    #[error("the address of a node is not a URL such as http://127.0.0.1:5052")]
    NotAUrl,
    /// A scheme that is not HTTP.
    #[error("the address of a node must start with http:// or https://")]
    OtherScheme,
    /// `?…` or `#…`, which would swallow the routes.
    #[error("the address of a node must not have a query or a fragment")]
    QueryOrFragment,
}

impl FromStr for NodeUrl {
    type Err = InvalidNodeUrl;

    fn from_str(text: &str) -> Result<Self, InvalidNodeUrl> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidNodeUrl::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidNodeUrl::OtherScheme);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidNodeUrl::QueryOrFragment);
        }
        Ok(Self(url))
    }
}

impl NodeUrl {
    /// What may be shown of it.
    pub fn redacted(&self) -> RedactedUrl {
        let (scheme, host) = (self.0.scheme(), self.0.host_str().unwrap_or_default());
        let port = self.0.port().map(|port| format!(":{port}")).unwrap_or_default();
        let login = if self.0.username().is_empty() && self.0.password().is_none() { "" } else { "…@" };
        let path = if self.0.path() == "/" { "" } else { "/…" };
        RedactedUrl(format!("{scheme}://{login}{host}{port}{path}"))
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address of a route, `path` starting with a slash.
    pub(crate) fn route(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }
}

impl std::fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.redacted().fmt(f)
    }
}

impl std::fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Scheme, host and port of a node. Credentials and path are replaced by `…`: providers put their tokens
/// into either.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RedactedUrl(String);

impl RedactedUrl {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RedactedUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_where_it_leads_and_never_a_credential() {
        for (text, shown) in [
            ("http://127.0.0.1:5052", "http://127.0.0.1:5052"),
            ("https://beacon.example/", "https://beacon.example"),
            ("http://[::1]:3500", "http://[::1]:3500"),
            ("https://user:hunter2@beacon.example:9000", "https://…@beacon.example:9000"),
            ("https://:hunter2@beacon.example", "https://…@beacon.example"),
            ("https://token-hunter2@beacon.example", "https://…@beacon.example"),
            ("https://beacon.example/hunter2/", "https://beacon.example/…"),
        ] {
            let url: NodeUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert!(!format!("{url:?}{url}{:?}", url.redacted()).contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn what_is_not_http_is_refused_without_repeating_it() {
        for (text, expected) in [
            ("", InvalidNodeUrl::NotAUrl),
            ("127.0.0.1:5052", InvalidNodeUrl::NotAUrl),
            ("http://", InvalidNodeUrl::NotAUrl),
            ("localhost:5052", InvalidNodeUrl::OtherScheme),
            ("ftp://user:hunter2@host", InvalidNodeUrl::OtherScheme),
            ("file:///etc/passwd", InvalidNodeUrl::OtherScheme),
            ("http://host/?key=hunter2", InvalidNodeUrl::QueryOrFragment),
            ("http://host/#hunter2", InvalidNodeUrl::QueryOrFragment),
        ] {
            let refusal = text.parse::<NodeUrl>().unwrap_err();
            assert_eq!(refusal, expected, "{text}");
            assert!(!refusal.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn routes_are_appended_to_the_path_of_the_address() {
        for (base, expected) in [
            ("http://host:1", "http://host:1/eth/v1/node/health?a=1"),
            ("http://host:1/", "http://host:1/eth/v1/node/health?a=1"),
            ("http://host:1/key/", "http://host:1/key/eth/v1/node/health?a=1"),
        ] {
            let url: NodeUrl = base.parse().unwrap();
            assert_eq!(url.route("/eth/v1/node/health", Some("a=1")).as_str(), expected);
        }
    }
}
