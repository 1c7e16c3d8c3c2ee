//! Moments and spans.

use time::OffsetDateTime;
use time::macros::format_description;

/// A moment's day and time: `2026-11-21 12:03:07.120`.
pub(crate) fn date(ms: u64) -> String {
    let day = format_description!("[year]-[month]-[day]");
    format!("{} {}", moment(ms).format(day).unwrap_or_default(), clock(ms))
}

/// A moment's time: `12:03:07.120`.
pub(crate) fn clock(ms: u64) -> String {
    let time = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
    moment(ms).format(time).unwrap_or_default()
}

fn moment(ms: u64) -> OffsetDateTime {
    let nanos = i128::from(ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A span in its two largest units: `9m 58s`.
pub(crate) fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms}ms"),
        1..60 => format!("{s}s"),
        60..3600 => format!("{}m {}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {}h", s / 86_400, s % 86_400 / 3600),
    }
}
