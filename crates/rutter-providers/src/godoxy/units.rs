//! Durations, sizes and how long a log is kept, as GoDoxy writes them.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rutter_route::ParseError;

/// The units of a duration in nanoseconds, the largest first: Go's, and the original's `d`, `w`
/// and `M`, a month of 30 days (its rules of reading).
const UNITS: [(&str, u64); 11] = [
    ("M", 30 * DAY),
    ("w", 7 * DAY),
    ("d", DAY),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

const DAY: u64 = 86_400_000_000_000;

/// The longest duration in nanoseconds: as Go's, 292 years.
const LONGEST: u64 = i64::MAX.unsigned_abs();

/// A duration such as `5s`, `1h30m`, `1.5d`, `2M`; `0` alone needs no unit.
///
/// # Errors
/// A number without a unit, which the original takes for nanoseconds; anything negative; more
/// than 292 years.
pub fn parse_duration(text: &str) -> Result<Duration, ParseError> {
    let error = |expected: &str| ParseError::new("duration", text, expected);
    let form = "numbers with `ms`, `s`, `m`, `h`, `d`, `w` or `M` (30 days), such as `1h30m`";
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(error(form));
    }
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let number = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, behind) = rest.split_at(number);
        let unit = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit);
        if unit.is_empty() && !number.is_empty() {
            return Err(error("a unit behind the number, such as `5s`"));
        }
        let unit = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(|| error(form))?.1;
        let part = scaled(number, unit).ok_or_else(|| error(form))?;
        let sum = nanos.checked_add(part).filter(|sum| *sum <= LONGEST);
        nanos = sum.ok_or_else(|| error("292 years at most"))?;
        rest = behind;
    }
    Ok(Duration::from_nanos(nanos))
}

/// A duration as [`parse_duration`] reads it, in the largest units that say it exactly.
pub fn show_duration(duration: Duration) -> String {
    let mut nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let mut shown = String::new();
    for (name, unit) in UNITS {
        let unit = u128::from(unit);
        if nanos >= unit && name != "w" && name != "M" {
            shown.push_str(&format!("{}{name}", nanos / unit));
            nanos %= unit;
        }
    }
    shown
}

/// A decimal number times a unit; parts of a nanosecond are dropped.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // More digits than these are below a nanosecond even for a month.
    let digits = fraction.get(..fraction.len().min(16))?;
    let mut part = 0;
    if !digits.is_empty() {
        let tens = 10u128.checked_pow(u32::try_from(digits.len()).ok()?)?;
        part = u64::try_from(u128::from(unit) * digits.parse::<u128>().ok()? / tens).ok()?;
    }
    whole.checked_mul(unit)?.checked_add(part)
}

/// A number of bytes such as `10 MB`; a unit is 1,024 of the one below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

const SIZES: [(&str, u64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];

impl FromStr for Size {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("size", text, "a number with `KB`, `MB` or `GB`");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let is = |(name, _): &&(&str, u64)| unit.trim().eq_ignore_ascii_case(name);
        let (_, unit) = SIZES.iter().find(is).ok_or_else(error)?;
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(*unit).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Size {
    /// The largest unit that says it exactly; a size that came of none is shown in KB, rounded up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |(_, unit): &&(&str, u64)| self.0 >= *unit && self.0.is_multiple_of(*unit);
        match SIZES.iter().find(exact) {
            Some((name, unit)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{} KB", self.0.div_ceil(1 << 10)),
        }
    }
}

/// How much of a log is kept (an access log's `retention`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retention {
    /// So many days; a week is 7, a month 30.
    Days(u32),
    /// So many of the last lines.
    Last(u32),
    /// So much of its end.
    Size(Size),
}

impl FromStr for Retention {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = "`N days`, `N weeks`, `N months`, `last N`, `N KB`, `N MB` or `N GB`";
        let error = || ParseError::new("retention", text, expected);
        let words: Vec<&str> = text.split_whitespace().collect();
        let days = |number: &str, days: u32| {
            let number: u32 = number.parse().map_err(|_| error())?;
            number.checked_mul(days).map(Self::Days).ok_or_else(error)
        };
        match words.as_slice() {
            ["last", number] => number.parse().map(Self::Last).map_err(|_| error()),
            [number, "day" | "days"] => days(number, 1),
            [number, "week" | "weeks"] => days(number, 7),
            [number, "month" | "months"] => days(number, 30),
            _ => text.trim().parse().map(Self::Size).map_err(|_| error()),
        }
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(n) => write!(f, "{n} days"),
            Self::Last(n) => write!(f, "last {n}"),
            Self::Size(size) => size.fmt(f),
        }
    }
}
