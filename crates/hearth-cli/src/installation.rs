//! Where Hearth keeps what belongs to this computer.

use hearth_node::Installation;

/// The installation of the user who runs this command.
pub(crate) fn installation() -> Installation {
    Installation::of_user(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(Into::into))
}
