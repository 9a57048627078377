//! Words for the person at the terminal. Everything that the command prints passes through here.

use std::io::Write;

/// One line of result.
pub(crate) fn line(text: impl AsRef<str>) {
    // A reader that has gone away is no error of ours: `hearth … | head`.
    let _unread = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// One line beside the result: progress, warnings.
pub(crate) fn aside(text: impl AsRef<str>) {
    let _unread = writeln!(std::io::stderr(), "{}", text.as_ref());
}

/// What the owner should know although all went well.
pub(crate) fn warnings(warnings: &[String]) {
    for warning in warnings {
        aside(format!("\nWarning: {warning}"));
    }
}

/// A foreign text as a terminal may show it: nothing moves the cursor, and nothing turns the direction of reading.
pub(crate) fn plain(text: &str) -> String {
    let tricks = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if tricks(c) { '\u{fffd}' } else { c }).collect()
}

/// A number of things: "one validator", "3 validators".
pub(crate) fn counted(number: usize, thing: &str) -> String {
    match number {
        1 => format!("one {thing}"),
        many => format!("{many} {thing}s"),
    }
}

/// What went wrong, from the outermost to the innermost cause.
pub(crate) fn error(error: &anyhow::Error) {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        // Many errors already quote their cause.
        if !causes.last().is_some_and(|outer| outer.contains(&text)) {
            causes.push(text);
        }
    }
    aside(format!("hearth: {}", causes.join("\n  because: ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_play_tricks_on_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\n\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c");
    }
}
