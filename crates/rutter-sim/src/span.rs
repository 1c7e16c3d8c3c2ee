//! Spans of simulated time, in whole milliseconds, as text: `250ms`, `10s`, `5m`, `2h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rutter_route::ParseError;

/// A span of simulated time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

/// Units, the greatest first: how each is written and how many milliseconds it has.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Span {
    /// So many seconds.
    pub const fn secs(n: u64) -> Self {
        Self(n * 1000)
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Span {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("span of time", text, "such as `250ms`, `10s`, `5m`, `2h`");
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let (number, unit) = text.split_at(digits);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(*millis).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let whole = UNITS.iter().find(|(_, millis)| self.0.is_multiple_of(*millis));
        let (unit, millis) = whole.unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", self.0 / millis)
    }
}

impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn a_span_reads_as_it_is_written() {
        for text in ["0s", "1ms", "250ms", "10s", "5m", "2h", "90s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["", "10", "s", "-1s", "1d", "1.5s", "99999999999999999h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
