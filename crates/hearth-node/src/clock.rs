//! The wall clock, at the edge where it belongs.

use std::time::{SystemTime, UNIX_EPOCH};

use hearth_types::UnixMillis;

/// Now, as this machine sees it. A clock before 1970 reads as 1970: nothing is due then.
pub(crate) fn now() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
