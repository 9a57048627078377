//! Whether the computer is set to fall asleep, as its system's own tools tell.

use std::process::Stdio;
use std::time::Duration;

use hearth_api::SleepSetting;
use tokio::process::Command;

/// A tool that hangs is left alone.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the computer is set to.
pub(super) async fn setting() -> SleepSetting {
    if cfg!(target_os = "macos") {
        return told(&["pmset", "-g"]).await.map_or(SleepSetting::Unknown, |text| of_macos(&text));
    }
    if cfg!(windows) {
        let query = ["powercfg", "/query", "SCHEME_CURRENT", "SUB_SLEEP", "STANDBYIDLE"];
        return told(&query).await.map_or(SleepSetting::Unknown, |text| of_windows(&text));
    }
    let can = tokio::fs::read_to_string("/sys/power/state").await.unwrap_or_default();
    if can.trim().is_empty() {
        return SleepSetting::Never;
    }
    let masked = told(&["systemctl", "is-enabled", "sleep.target"]).await.unwrap_or_default();
    if masked.trim() == "masked" {
        return SleepSetting::Never;
    }
    const GNOME: &str = "org.gnome.settings-daemon.plugins.power";
    let (kind, seconds) = tokio::join!(
        told(&["gsettings", "get", GNOME, "sleep-inactive-ac-type"]),
        told(&["gsettings", "get", GNOME, "sleep-inactive-ac-timeout"])
    );
    of_gnome(kind.as_deref(), seconds.as_deref())
}

/// What a tool prints; `None` if it is not there or fails. What `systemctl is-enabled` says comes with a failure.
async fn told(command: &[&str]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned()).filter(|text| !text.is_empty())
}

fn when_idle(seconds: u64) -> SleepSetting {
    match seconds {
        0 => SleepSetting::Never,
        _ => SleepSetting::WhenIdle { minutes: u32::try_from(seconds.div_ceil(60)).unwrap_or(u32::MAX) },
    }
}

/// ` sleep                10 (sleep prevented by powerd)`, in minutes.
fn of_macos(text: &str) -> SleepSetting {
    let minutes = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("sleep")).then(|| words.next()?.parse::<u32>().ok()).flatten()
    });
    minutes.map_or(SleepSetting::Unknown, |minutes| when_idle(u64::from(minutes) * 60))
}

/// The last line but one ends with the value on mains, in seconds: `0x00000708`. Its words depend on the language.
fn of_windows(text: &str) -> SleepSetting {
    let mut values = text.lines().rev().filter_map(|line| {
        let value = line.rsplit_once("0x")?.1.trim();
        u64::from_str_radix(value, 16).ok()
    });
    let (_on_battery, on_mains) = (values.next(), values.next());
    on_mains.map_or(SleepSetting::Unknown, when_idle)
}

/// `'suspend'` and `1200`.
fn of_gnome(kind: Option<&str>, seconds: Option<&str>) -> SleepSetting {
    match kind.map(|kind| kind.trim().trim_matches('\'')) {
        Some("nothing" | "blank") => SleepSetting::Never,
        Some("suspend" | "hibernate" | "shutdown" | "logout" | "interactive") => {
            let seconds = seconds.and_then(|text| text.trim().parse::<u64>().ok());
            seconds.map_or(SleepSetting::WhenIdle { minutes: 0 }, when_idle)
        }
        _ => SleepSetting::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn idle(minutes: u32) -> SleepSetting {
        SleepSetting::WhenIdle { minutes }
    }

    #[test]
    fn the_setting_is_read_from_what_each_system_says() {
        let macos = |minutes: &str| {
            of_macos(&format!("System-wide power settings:\n displaysleep 5\n sleep  {minutes}\n"))
        };
        assert_eq!(macos("10 (sleep prevented by powerd)"), idle(10));
        assert_eq!(
            (macos("0"), macos("x"), of_macos("")),
            (SleepSetting::Never, SleepSetting::Unknown, SleepSetting::Unknown)
        );

        let windows = |mains: &str, battery: &str| {
            of_windows(&format!(
                "    Minimum Possible Setting: 0x00000000\n    Maximum Possible Setting: 0xffffffff\n\n    \
                 Index der aktuellen Wechselstromeinstellung: {mains}\r\n    Index der DC: {battery}\r\n\r\n"
            ))
        };
        assert_eq!(windows("0x00000708", "0x00000384"), idle(30));
        assert_eq!(
            (windows("0x00000000", "0x00000384"), of_windows("")),
            (SleepSetting::Never, SleepSetting::Unknown)
        );

        for (kind, seconds, expected) in [
            (Some("'nothing'\n"), Some("1200\n"), SleepSetting::Never),
            (Some("'suspend'\n"), Some("1200\n"), idle(20)),
            (Some("'suspend'\n"), Some("0\n"), SleepSetting::Never),
            (Some("'suspend'\n"), None, idle(0)),
            (None, Some("1200"), SleepSetting::Unknown),
            (Some("No such schema"), None, SleepSetting::Unknown),
        ] {
            assert_eq!(of_gnome(kind, seconds), expected, "{kind:?} {seconds:?}");
        }
    }

    #[tokio::test]
    async fn a_tool_that_is_not_there_says_nothing() {
        assert_eq!(told(&["hearth-no-such-tool"]).await, None);
    }
}
