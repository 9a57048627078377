//! Links such as `hearth://join/…`, which another program hands to the app. A link leads to a screen and does nothing: what
//! follows from it, the owner decides there.

/// Longest link that is looked at.
const LONGEST: usize = 4_096;

/// The place in the window that a link leads to; `None` for what is no link of ours.
pub(crate) fn place(link: &str) -> Option<String> {
    let rest = link.strip_prefix("hearth://").filter(|_| link.len() <= LONGEST)?;
    let mut parts = rest.split(['/', '?', '#']);
    let place = match parts.next() {
        Some("join") => match (parts.next(), parts.next()) {
            // What an invitation is worth, the node says. Only its letters are looked at here.
            (Some(version), Some(data)) if is_plain(version) && is_plain(data) => {
                format!("/join/{version}/{data}")
            }
            _ => "/join".into(),
        },
        Some("alerts") => "/alerts".into(),
        _ => "/".into(),
    };
    Some(place)
}

/// Whether there is nothing in a part but letters of base64url.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The first link among the arguments of a start.
pub(crate) fn among<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Option<String> {
    arguments.into_iter().find_map(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_known_screen_and_nowhere_else() {
        for (link, expected) in [
            ("hearth://join/1/aB-_9", Some("/join/1/aB-_9")),
            ("hearth://join/1/aB-_9/", Some("/join/1/aB-_9")),
            ("hearth://join/1/a<b>", Some("/join")),
            ("hearth://join/abc?x=1", Some("/join")),
            ("hearth://join", Some("/join")),
            ("hearth://alerts", Some("/alerts")),
            ("hearth://exit/1284310", Some("/")),
            ("hearth://stop", Some("/")),
            ("hearth://", Some("/")),
            ("https://example.org/join", None),
            ("hearth:join", None),
            ("--hidden", None),
            (&format!("hearth://join/{}", "x".repeat(LONGEST)), None),
        ] {
            assert_eq!(place(link).as_deref(), expected, "{link:.40}");
        }
        assert_eq!(among(["hearth-app", "--hidden", "hearth://join/a"]).as_deref(), Some("/join"));
    }
}
