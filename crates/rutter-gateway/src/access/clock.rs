//! The time as lines write it, made once a second.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::AccessLogFormat;

const COMMON: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
const JSON: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].");

/// The text of the second that was asked for last: most lines are of the same one.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: Option<u64>,
    text: Vec<u8>,
    /// How much of the text is the second's.
    n: usize,
}

impl Clock {
    /// That time, in UTC: to the second in the common format, to the millisecond in JSON.
    pub(super) fn text(&mut self, at: SystemTime, format: AccessLogFormat) -> &str {
        // No request comes before 1970; a clock that says so is shown as that.
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            let format = match format {
                AccessLogFormat::Common => COMMON,
                AccessLogFormat::Json => JSON,
            };
            // These formats ask for nothing that a time in UTC hasn't.
            self.text = OffsetDateTime::from(at).format(format).unwrap_or_default().into_bytes();
            (self.second, self.n) = (Some(since.as_secs()), self.text.len());
        }
        self.text.truncate(self.n);
        if format == AccessLogFormat::Json {
            // Writing to a vector doesn't fail.
            let _infallible = write!(self.text, "{:03}Z", since.subsec_millis());
        }
        // Written as text above.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}
