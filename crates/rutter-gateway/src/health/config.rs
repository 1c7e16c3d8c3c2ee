//! The numbers by which a route counts as well or not.
//!
//! Two groups, named as the field names them: active checks ([`HealthConfig`]) in the words of
//! Mesh Router and HAProxy, and outlier detection ([`OutlierConfig`]) in Envoy's. Envoy's names
//! don't bring Envoy's values: a service here has two or three ways that are *not* alike, not a
//! fleet of equals, and the values are Mesh Router's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::StatusCode;
use rutter_route::ParseError;
use serde::{Deserialize, Serialize};

/// How routes are asked, and what follows from the answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// `HEALTH_CHECK_TIMEOUT`: how long a probe may take.
    pub check_timeout: Duration,
    /// `HEALTH_CACHE_TTL`: how long a good answer is believed of a route that nobody asks again.
    pub cache_ttl: Duration,
    /// How long after a bad answer the route is asked again.
    pub recheck: Duration,
    /// How often a route that carries traffic is asked, give or take a tenth; zero: it isn't.
    pub check_interval: Duration,
    /// How long after its last request a route counts as one that carries traffic.
    pub used_within: Duration,
    /// How a health check's path is asked for.
    pub check_method: CheckMethod,
    /// What a health check must answer.
    pub check_status: StatusRange,
    /// Good answers in a row that bring a bad route back.
    pub healthy_threshold: u32,
    /// Bad answers in a row that a good route may not give; of a route of which nothing is known
    /// the first answer counts.
    pub unhealthy_threshold: u32,
    /// What requests tell.
    pub outlier: OutlierConfig,
}

/// Outlier detection: routes that fail requests are taken out of service for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierConfig {
    /// Failures in a row that eject a route: no connection, a reset, no answer in time, or an
    /// answer of 502, 503 or 504. Zero: they never do.
    pub consecutive_gateway_failure: u32,
    /// The same with every answer of 500 and above counted too. Zero: they never do.
    pub consecutive_5xx: u32,
    /// The window in which failures must fall to count together. For each such time in service an
    /// earlier ejection is forgotten.
    pub interval: Duration,
    /// How long a first ejection lasts; the second lasts twice as long, and so on.
    pub base_ejection_time: Duration,
    /// How long an ejection lasts at most.
    pub max_ejection_time: Duration,
    /// How many of a service's routes may be ejected at once, in percent, rounded down; but one of
    /// two or more always may, and never the last that is in service. Zero: none ever is.
    pub max_ejection_percent: u32,
}

/// How a health check's path is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckMethod {
    /// Without the body.
    #[default]
    Head,
    /// For services that answer `HEAD` with 404 or 405.
    Get,
}

/// Statuses: one, such as `200`, or from one to another, both included, such as `200-399`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// 200 alone.
    pub const OK: Self = Self { first: 200, last: 200 };

    pub(crate) fn contains(self, status: StatusCode) -> bool {
        (self.first..=self.last).contains(&status.as_u16())
    }
}

impl FromStr for StatusRange {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if 200 <= first && first <= last && last < 600 => {
                Ok(Self { first, last })
            }
            _ => {
                let expected = "statuses of 200 to 599, such as `200` or `200-399`";
                Err(ParseError::new("statuses", text, expected))
            }
        }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl TryFrom<String> for StatusRange {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<StatusRange> for String {
    fn from(range: StatusRange) -> Self {
        range.to_string()
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            check_timeout: Duration::from_secs(2),
            cache_ttl: Duration::from_secs(300),
            recheck: Duration::from_secs(5),
            check_interval: Duration::from_secs(10),
            used_within: Duration::from_secs(60),
            check_method: CheckMethod::Head,
            check_status: StatusRange::OK,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            outlier: OutlierConfig::default(),
        }
    }
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            consecutive_gateway_failure: 4,
            consecutive_5xx: 0,
            interval: Duration::from_secs(120),
            base_ejection_time: Duration::from_secs(60),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_percent: 100,
        }
    }
}

impl OutlierConfig {
    /// How many of `n` routes may be ejected at once.
    pub(super) fn max_ejected(&self, n: usize) -> usize {
        if self.max_ejection_percent == 0 {
            return 0;
        }
        let share = n.saturating_mul(self.max_ejection_percent as usize) / 100;
        share.max(1).min(n.saturating_sub(1))
    }

    /// How long the `n`th ejection in a row lasts.
    pub(super) fn ejection_time(&self, n: u32) -> Duration {
        let most = self.max_ejection_time.max(self.base_ejection_time);
        self.base_ejection_time.saturating_mul(n).min(most)
    }
}
