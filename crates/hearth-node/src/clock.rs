//! The wall clock, at the edge where it belongs.

use std::time::{SystemTime, UNIX_EPOCH};

use hearth_channels::Moment;
use hearth_types::UnixMillis;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Now, as this machine sees it. A clock before 1970 reads as 1970: nothing is due then.
pub(crate) fn now() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// That moment in the time zone of this computer.
pub(crate) fn local(at: UnixMillis) -> Moment {
    let at =
        i64::try_from(at.get()).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    let local = at.to_zoned(TimeZone::system());
    let day = local.date().duration_since(jiff::civil::Date::constant(1970, 1, 1)).as_hours() / 24;
    Moment {
        day: i32::try_from(day).unwrap_or(i32::MAX),
        minute: u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs()),
    }
}
