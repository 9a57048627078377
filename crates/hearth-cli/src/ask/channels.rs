//! `hearth channels`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use hearth_api::{
    ChannelTarget, ChannelView, ChannelsReply, ChannelsRequest, MailSecurity, MuteKindRequest, QuietHours,
    RemoveChannelRequest, SetChannelRequest, SetDigestRequest, SetQuietHoursRequest, Severity, Telling,
    TestChannelRequest, UiError,
};

use super::words::{self, moment, now_ms};
use super::{NodeArguments, asking, print_json};
use crate::say;
use crate::secret::secret;

/// Where alerts go beside this computer's screen.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What can be done with them. Without any: show the list.
#[derive(Subcommand)]
enum Command {
    /// Add one, and send a test through it. What is secret is asked for, or read from a file.
    Add(AddArguments),
    /// Send a test through one.
    Test {
        /// Its number in the list.
        id: u32,
    },
    /// Say from which severity on one is told.
    Set {
        /// Its number in the list.
        id: u32,
        /// What is not at least so bad is not sent.
        #[arg(long)]
        least: Least,
    },
    /// Say when only what is critical is told, on the desktop as well.
    Quiet {
        /// Times of the day at which it begins and ends, such as 22:00-07:00; or off.
        hours: String,
    },
    /// Turn the daily digest on or off: at nine in the morning, if anything happened in a day.
    Digest {
        /// on or off.
        state: OnOff,
    },
    /// Mute a kind of alerts, on the desktop as well. What is critical is told all the same.
    Mute {
        /// Its code, as `hearth alerts --why` shows it, such as relay_only.
        kind: String,
    },
    /// Tell a kind of alerts again.
    Unmute {
        /// Its code.
        kind: String,
    },
    /// Remove one, and forget its secrets.
    Remove {
        /// Its number in the list.
        id: u32,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnOff {
    On,
    Off,
}

#[derive(Args)]
struct AddArguments {
    #[command(subcommand)]
    target: Target,
    /// What is not at least so bad is not sent.
    #[arg(long, default_value = "warning", global = true)]
    least: Least,
    /// Read the secret (address, topic, token or password) from the first line of a file, instead of asking for it.
    #[arg(long, value_name = "FILE", global = true)]
    secret_file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Target {
    /// A POST with JSON, which Slack and Discord show as well. Its address is the secret.
    Webhook,
    /// A topic of ntfy, for a phone. The topic is the secret: choose one that nobody guesses.
    Ntfy {
        /// The server.
        #[arg(long, default_value = "https://ntfy.sh", value_name = "URL")]
        server: String,
        /// Read an access token from the first line of a file, if the server asks for one.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// A chat of Telegram. The token of your bot, from @BotFather, is the secret.
    Telegram {
        /// Number of the chat, or @name of a public one.
        #[arg(long)]
        chat: String,
        /// The server of the bot API.
        #[arg(long, default_value = "https://api.telegram.org", value_name = "URL")]
        server: String,
    },
    /// Mail. The password of the account, if there is one, is the secret.
    Email {
        /// The server that takes your mail, host or host:port.
        #[arg(long)]
        server: String,
        /// How the connection to it is protected.
        #[arg(long, default_value = "tls")]
        security: Security,
        /// The account there.
        #[arg(long)]
        user: Option<String>,
        /// The sender's address.
        #[arg(long, value_name = "ADDRESS")]
        from: String,
        /// The reader's address.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Least {
    Info,
    Warning,
    Critical,
}

#[derive(Clone, Copy, ValueEnum)]
enum Security {
    /// TLS from the first byte (port 465).
    Tls,
    /// TLS after a greeting (port 587).
    Starttls,
    /// None; only for a server on this computer (port 25).
    None,
}

impl Least {
    fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Critical => Severity::Critical,
        }
    }
}

impl AddArguments {
    fn target(&self) -> anyhow::Result<ChannelTarget> {
        let ask = |question: &str| secret(self.secret_file.as_deref(), question, "--secret-file");
        Ok(match &self.target {
            Target::Webhook => ChannelTarget::Webhook { url: ask("Address of the webhook")? },
            Target::Ntfy { server, token_file } => {
                let token = token_file.as_deref().map(|file| secret(Some(file), "", "")).transpose()?;
                ChannelTarget::Ntfy { server: server.clone(), topic: ask("Topic")?, token }
            }
            Target::Telegram { chat, server } => ChannelTarget::Telegram {
                server: server.clone(),
                chat: chat.clone(),
                token: ask("Token of the bot")?,
            },
            Target::Email { server, security, user, from, to } => ChannelTarget::Email {
                server: server.clone(),
                security: match security {
                    Security::Tls => MailSecurity::Tls,
                    Security::Starttls => MailSecurity::StartTls,
                    Security::None => MailSecurity::None,
                },
                password: user.as_ref().map(|_| ask("Password of the account")).transpose()?,
                user: user.clone(),
                from: from.clone(),
                to: to.clone(),
            },
        })
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    asking(async {
        let mut node = arguments.node.connect().await?;
        let reply = match &arguments.command {
            None => node.channels(ChannelsRequest {}).await?,
            Some(Command::Add(add)) => {
                let request =
                    SetChannelRequest { id: None, target: Some(add.target()?), least: add.least.severity() };
                let added = node.set_channel(request).await?;
                let id = added.channels.last().map(|channel| channel.id).unwrap_or_default();
                say::aside(format!("Channel {id} is set up. Sending a test through it …"));
                node.test_channel(TestChannelRequest { id }).await?
            }
            Some(Command::Test { id }) => node.test_channel(TestChannelRequest { id: *id }).await?,
            Some(Command::Set { id, least }) => {
                let request = SetChannelRequest { id: Some(*id), target: None, least: least.severity() };
                node.set_channel(request).await?
            }
            Some(Command::Digest { state }) => {
                node.set_digest(SetDigestRequest { on: matches!(state, OnOff::On) }).await?
            }
            Some(Command::Mute { kind }) => {
                node.mute_kind(MuteKindRequest { kind: kind.clone(), muted: true }).await?
            }
            Some(Command::Unmute { kind }) => {
                node.mute_kind(MuteKindRequest { kind: kind.clone(), muted: false }).await?
            }
            Some(Command::Quiet { hours }) => {
                node.set_quiet_hours(SetQuietHoursRequest { hours: quiet_hours(hours)? }).await?
            }
            Some(Command::Remove { id }) => node.remove_channel(RemoveChannelRequest { id: *id }).await?,
        };
        if arguments.node.json {
            print_json(&reply);
        } else {
            say::line(text(&reply, now_ms()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn quiet_hours(text: &str) -> anyhow::Result<Option<QuietHours>> {
    if text == "off" {
        return Ok(None);
    }
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let hours = text.split_once('-').and_then(|(from, to)| {
        Some(QuietHours { from_minute: minute(from.trim())?, to_minute: minute(to.trim())? })
    });
    hours
        .map(Some)
        .ok_or_else(|| UiError::value_refused("Give a part of the day, such as 22:00-07:00, or off.").into())
}

fn text(reply: &ChannelsReply, now_ms: u64) -> String {
    let mut lines: Vec<String> = reply.channels.iter().map(|channel| row(channel, now_ms)).collect();
    if lines.is_empty() {
        lines.push(
            "No channels: alerts are shown on this computer only. Add one: hearth channels add --help".into(),
        );
    }
    let Telling { quiet, digest, muted } = &reply.telling;
    if let Some(QuietHours { from_minute: from, to_minute: to }) = *quiet {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        lines.push(format!("Quiet from {} to {}: only what is critical is told.", clock(from), clock(to)));
    }
    if *digest && !reply.channels.is_empty() {
        lines.push("A digest at 9:00, if anything happened in a day.".into());
    }
    if !muted.is_empty() {
        lines.push(format!("Muted unless critical: {}.", muted.join(", ")));
    }
    lines.join("\n")
}

fn row(channel: &ChannelView, now_ms: u64) -> String {
    let kind = channel.kind.word();
    let last = match &channel.last {
        None => "nothing sent since the node's start".into(),
        Some(last) => match &last.error {
            None => format!("arrived {}", moment(last.at_ms, now_ms)),
            Some(error) => format!("not delivered {}: {error}", moment(last.at_ms, now_ms)),
        },
    };
    let least = words::severity(channel.least);
    format!("{}  {kind} {}  from {least} on  {last}", channel.id, channel.goes_to)
}
