//! Where messages go: whether that makes sense, and what of it may be shown.

use hearth_api::{ChannelTarget, MailSecurity};
use lettre::message::Mailbox;
use reqwest::Url;

/// Longest text that is taken for any part of a target.
const MOST_BYTES: usize = 2_048;

/// What is wrong with a target: how to correct it, without what was typed.
pub fn check(target: &ChannelTarget) -> Result<(), &'static str> {
    let short = |texts: &[&str]| texts.iter().all(|text| text.len() <= MOST_BYTES);
    let is_url = |text: &str| {
        Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    let printable = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    match target {
        ChannelTarget::Webhook { url } if !is_url(url.reveal()) || !short(&[url.reveal()]) => {
            Err("Give the whole address of the webhook, beginning with https://.")
        }
        ChannelTarget::Ntfy { server, .. } | ChannelTarget::Telegram { server, .. }
            if !is_url(server) || !short(&[server]) =>
        {
            Err("Give the address of the server, beginning with https://.")
        }
        ChannelTarget::Ntfy { topic, .. }
            if topic.reveal().is_empty()
                || topic.reveal().len() > 64
                || !topic.reveal().chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') =>
        {
            Err(
                "A topic has 1 to 64 letters, digits, - or _. Choose one that nobody guesses: who knows it can read it.",
            )
        }
        ChannelTarget::Ntfy { token: Some(token), .. } | ChannelTarget::Telegram { token, .. }
            if !printable(token.reveal()) || !short(&[token.reveal()]) =>
        {
            Err("Give the token as its server shows it, without spaces.")
        }
        ChannelTarget::Telegram { token, .. } if token.reveal().contains(['/', '?', '#', '%']) => {
            Err("Give the token as BotFather shows it: digits, a colon, then letters, digits, - and _.")
        }
        ChannelTarget::Telegram { chat, .. } if !printable(chat) || chat.len() > 64 => {
            Err("Give the number of the chat, or @name of a public one.")
        }
        ChannelTarget::Email { from, to, .. }
            if !short(&[from, to]) || from.parse::<Mailbox>().is_err() || to.parse::<Mailbox>().is_err() =>
        {
            Err("Give the addresses of sender and reader, such as maya@example.org.")
        }
        ChannelTarget::Email { server, security, .. } => match host_and_port(server, *security) {
            None => Err("Give the mail server as host or host:port, such as smtp.example.org:465."),
            Some((host, _)) if *security == MailSecurity::None && !is_here(host) => Err(
                "Without TLS only a mail server on this computer is used: everybody on the way could read the mail.",
            ),
            Some(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Where it goes, as far as that is not secret.
pub fn goes_to(target: &ChannelTarget) -> String {
    let host = |url: &str| {
        let url = Url::parse(url).ok()?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
    };
    match target {
        ChannelTarget::Webhook { url } => format!("{}/…", host(url.reveal()).unwrap_or_default()),
        ChannelTarget::Ntfy { server, .. } => format!("{}/…", host(server).unwrap_or_default()),
        ChannelTarget::Telegram { chat, .. } => chat.clone(),
        ChannelTarget::Email { to, .. } => to.clone(),
    }
}

pub(crate) fn host_and_port(server: &str, security: MailSecurity) -> Option<(&str, u16)> {
    let usual = match security {
        MailSecurity::Tls => 465,
        MailSecurity::StartTls => 587,
        MailSecurity::None => 25,
    };
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (server, usual),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    (!host.is_empty() && host.len() <= 253 && host.chars().all(fits)).then_some((host, port))
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(server: &str, security: MailSecurity, to: &str) -> ChannelTarget {
        ChannelTarget::Email {
            server: server.into(),
            security,
            user: None,
            password: None,
            from: "node@example.org".into(),
            to: to.into(),
        }
    }

    #[test]
    fn a_target_makes_sense_or_is_refused() {
        let webhook = |url: &str| ChannelTarget::Webhook { url: url.into() };
        let ntfy = |server: &str, topic: &str| ChannelTarget::Ntfy {
            server: server.into(),
            topic: topic.into(),
            token: None,
        };
        let telegram = |chat: &str, token: &str| ChannelTarget::Telegram {
            server: "https://api.telegram.org".into(),
            chat: chat.into(),
            token: token.into(),
        };
        let (tls, none) = (MailSecurity::Tls, MailSecurity::None);
        for (target, makes_sense) in [
            (webhook("https://hooks.example/hunter2"), true),
            (webhook("http://192.168.1.5:8123/hunter2"), true),
            (webhook("hooks.example/hunter2"), false),
            (webhook("file:///etc/hunter2"), false),
            (webhook(&format!("https://h/{}", "hunter2".repeat(300))), false),
            (ntfy("https://ntfy.sh", "hearth-hunter2"), true),
            (ntfy("ntfy.sh", "hearth"), false),
            (ntfy("https://ntfy.sh", "a/hunter2"), false),
            (ntfy("https://ntfy.sh", ""), false),
            (telegram("-100123", "123:hunter2_-"), true),
            (telegram("-100123", "123:hunter2/../x"), false),
            (telegram("", "123:hunter2"), false),
            (mail("smtp.example.org", tls, "maya@example.org"), true),
            (mail("localhost:2525", none, "maya@example.org"), true),
            (mail("smtp.example.org", none, "maya@example.org"), false),
            (mail("smtp.example.org:x", tls, "maya@example.org"), false),
            (mail("smtp.example.org", tls, "maya"), false),
            (mail("smtp.example.org", tls, "a@b.c\r\nBcc: d@b.c"), false),
        ] {
            assert_eq!(check(&target).is_ok(), makes_sense, "{target:?}");
        }
    }

    #[test]
    fn what_is_shown_of_a_target_is_not_its_secret() {
        let url = "https://user:hunter2@hooks.example:8443/services/hunter2?k=hunter2";
        assert_eq!(goes_to(&ChannelTarget::Webhook { url: url.into() }), "https://hooks.example:8443/…");
        let topic = ChannelTarget::Ntfy {
            server: "https://ntfy.sh".into(),
            topic: "hunter2".into(),
            token: Some("hunter2".into()),
        };
        assert_eq!(goes_to(&topic), "https://ntfy.sh/…");
    }
}
