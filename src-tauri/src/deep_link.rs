//! Links such as `hearth://join/…`, which another program hands to the app. A link leads to a screen and does nothing: what
//! follows from it, the owner decides there.

/// Longest link that is looked at.
const LONGEST: usize = 4_096;

/// The place in the window that a link leads to; `None` for what is no link of ours.
pub(crate) fn place(link: &str) -> Option<&'static str> {
    let rest = link.strip_prefix("hearth://").filter(|_| link.len() <= LONGEST)?;
    match rest.split(['/', '?', '#']).next() {
        Some("join") => Some("/join"),
        Some("alerts") => Some("/alerts"),
        _ => Some("/"),
    }
}

/// The first link among the arguments of a start.
pub(crate) fn among<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Option<&'static str> {
    arguments.into_iter().find_map(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_known_screen_and_nowhere_else() {
        for (link, expected) in [
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
            assert_eq!(place(link), expected, "{link:.40}");
        }
        assert_eq!(among(["hearth-app", "--hidden", "hearth://join/a"]), Some("/join"));
    }
}
