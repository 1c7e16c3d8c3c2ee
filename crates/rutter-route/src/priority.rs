//! Priorities of services.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ParseError;

/// The order in which a service's routes are tried: lower first. Mesh Router takes any JSON
/// number here, also a fraction or a negative one, so it is held in millionths and compared as an
/// integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(i64);

const UNIT: i64 = 1_000_000;

impl Priority {
    /// The greatest magnitude, 10¹².
    pub const MAX: f64 = 1e12;

    /// A whole priority.
    pub const fn whole(value: i32) -> Self {
        Self(value as i64 * UNIT)
    }

    /// From a number, rounded to millionths.
    ///
    /// # Errors
    /// A number that is not finite or over [`Priority::MAX`] in magnitude.
    pub fn from_f64(value: f64) -> Result<Self, ParseError> {
        if !value.is_finite() || value.abs() > Self::MAX {
            return Err(ParseError::new(
                "priority",
                &value.to_string(),
                "a number of at most 1e12",
            ));
        }
        Ok(Self((value * UNIT as f64).round() as i64))
    }

    /// The number, as JSON shows it.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }

    /// The whole number, if it is one.
    pub fn as_whole(self) -> Option<i64> {
        (self.0 % UNIT == 0).then_some(self.0 / UNIT)
    }
}

impl Default for Priority {
    /// 1, what a direct route has in Mesh Router.
    fn default() -> Self {
        Self::whole(1)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_whole() {
            Some(whole) => whole.fmt(f),
            None => self.as_f64().fmt(f),
        }
    }
}

impl FromStr for Priority {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let value =
            text.parse::<f64>().map_err(|_| ParseError::new("priority", text, "a number"))?;
        Self::from_f64(value)
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.as_whole() {
            Some(whole) => s.serialize_i64(whole),
            None => s.serialize_f64(self.as_f64()),
        }
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::from_f64(f64::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}
