//! How the gateway knows what works, and how often it may try.

use super::Problems;
use crate::config::resolved::{Health, OutlierDetection, RetryBudget};
use crate::config::{Period, raw};

pub(super) fn health(raw: &raw::Health, to: &mut Problems) -> Health {
    let health = Health {
        check_timeout: raw.check_timeout.unwrap_or(Period::seconds(2)),
        cache_ttl: raw.cache_ttl.unwrap_or(Period::seconds(300)),
        recheck: raw.recheck.unwrap_or(Period::seconds(5)),
        check_interval: raw.check_interval.unwrap_or(Period::seconds(10)),
        used_within: raw.used_within.unwrap_or(Period::seconds(60)),
        check_method: raw.check_method.unwrap_or_default(),
        check_status: raw.check_status.unwrap_or(rutter_gateway::StatusRange::OK),
        healthy_threshold: raw.healthy_threshold.unwrap_or(2),
        unhealthy_threshold: raw.unhealthy_threshold.unwrap_or(2),
    };
    let at = |key: &str| format!("gateway.health.{key}");
    to.more_than_zero(&at("check_timeout"), health.check_timeout);
    to.more_than_zero(&at("recheck"), health.recheck);
    for (key, threshold) in [
        ("healthy_threshold", health.healthy_threshold),
        ("unhealthy_threshold", health.unhealthy_threshold),
    ] {
        to.unless((1..=100).contains(&threshold), &at(key), "expected 1 to 100");
    }
    health
}

pub(super) fn outlier_detection(
    raw: &raw::OutlierDetection,
    to: &mut Problems,
) -> OutlierDetection {
    let outlier = OutlierDetection {
        consecutive_gateway_failure: raw.consecutive_gateway_failure.unwrap_or(4),
        consecutive_5xx: raw.consecutive_5xx.unwrap_or(0),
        interval: raw.interval.unwrap_or(Period::seconds(120)),
        base_ejection_time: raw.base_ejection_time.unwrap_or(Period::seconds(60)),
        max_ejection_time: raw.max_ejection_time.unwrap_or(Period::seconds(300)),
        max_ejection_percent: raw.max_ejection_percent.unwrap_or(100),
    };
    let at = |key: &str| format!("gateway.outlier_detection.{key}");
    to.more_than_zero(&at("interval"), outlier.interval);
    to.more_than_zero(&at("base_ejection_time"), outlier.base_ejection_time);
    to.unless(
        outlier.max_ejection_time >= outlier.base_ejection_time,
        &at("max_ejection_time"),
        "expected at least `base_ejection_time`",
    );
    for (key, n) in [
        ("consecutive_gateway_failure", outlier.consecutive_gateway_failure),
        ("consecutive_5xx", outlier.consecutive_5xx),
    ] {
        to.unless(n <= 1000, &at(key), "expected at most 1000");
    }
    let percent = outlier.max_ejection_percent;
    to.unless(percent <= 100, &at("max_ejection_percent"), "expected 0 to 100");
    outlier
}

pub(super) fn retry_budget(raw: &raw::RetryBudget, to: &mut Problems) -> RetryBudget {
    let budget = RetryBudget {
        budget_percent: raw.budget_percent.unwrap_or(20),
        min_retries_per_second: raw.min_retries_per_second.unwrap_or(10),
    };
    to.unless(
        budget.budget_percent <= 1000,
        "gateway.retry_budget.budget_percent",
        "expected 0 to 1000",
    );
    budget
}
