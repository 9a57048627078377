//! Words for the person at the terminal. Everything that the command prints passes through here.

/// One line of result.
#[expect(clippy::print_stdout, reason = "a command talks to its user")]
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// One line beside the result: progress, warnings.
#[expect(clippy::print_stderr, reason = "a command talks to its user")]
pub(crate) fn aside(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
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
