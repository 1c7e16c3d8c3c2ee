//! How a route's endpoint is probed: the settings, not the probing.

use std::time::Duration;

/// The settings of a route's health check, whose defaults are GoDoxy's (its `healthcheck`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSettings {
    /// Whether the route is not probed. What a container's own health check says counts all the
    /// same.
    pub is_disabled: bool,
    /// Whether `GET` is asked instead of `HEAD`.
    pub use_get: bool,
    /// The path that is asked, beginning with `/`.
    pub path: String,
    /// The time from one probe to the next, [`Self::LEAST`] or more.
    pub interval: Duration,
    /// How long a probe may take, [`Self::LEAST`] or more.
    pub timeout: Duration,
    /// How many probes must fail.
    pub retries: Retries,
}

/// How many probes in a row must fail before a route counts as unhealthy.
///
/// The original flips a route on one failure and delays only the notification by this number;
/// Rutter means by it what people take it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retries {
    /// As many as fit into 15 seconds, one at least.
    #[default]
    Auto,
    /// So many, one at least; a number below 0 in a file is one.
    After(u32),
}

impl HealthSettings {
    /// The shortest interval and timeout.
    pub const LEAST: Duration = Duration::from_secs(1);

    /// How many failures in a row turn the route unhealthy.
    pub fn failures(&self) -> u32 {
        match self.retries {
            Retries::Auto => {
                let interval = self.interval.max(Self::LEAST);
                let fit = Duration::from_secs(15).as_millis() / interval.as_millis();
                u32::try_from(fit).unwrap_or(1).max(1)
            }
            Retries::After(n) => n.max(1),
        }
    }
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            is_disabled: false,
            use_get: false,
            path: "/".to_owned(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            retries: Retries::Auto,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_number_as_many_failures_are_waited_for_as_fit_into_15_seconds() {
        let failures = |seconds, retries| {
            let interval = Duration::from_secs(seconds);
            HealthSettings { interval, retries, ..HealthSettings::default() }.failures()
        };
        assert_eq!(failures(5, Retries::Auto), 3);
        assert_eq!(failures(1, Retries::Auto), 15);
        assert_eq!(failures(60, Retries::Auto), 1);
        assert_eq!(failures(5, Retries::After(7)), 7);
        assert_eq!(failures(5, Retries::After(0)), 1);
    }
}
