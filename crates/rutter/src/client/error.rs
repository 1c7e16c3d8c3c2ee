//! What went wrong between a command and its controller, and what to do.

use anyhow::anyhow;
use reqwest::{StatusCode, Url};
use serde::Deserialize;

/// No answer came.
pub(super) fn unreachable(base: &Url, error: &reqwest::Error) -> anyhow::Error {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let advice = match error {
        e if e.is_timeout() => "no answer in time; check the address and any firewall between",
        e if e.is_connect() => "is the controller running, and are address and port right?",
        _ => "see the controller's log",
    };
    anyhow!("can't reach the controller at {base}: {deepest}; {advice}")
}

/// An answer came, and it was no.
pub(super) fn refused(status: StatusCode, body: &[u8], data: Option<&str>) -> anyhow::Error {
    #[derive(Deserialize)]
    struct Said {
        error: String,
    }
    let said = match serde_json::from_slice::<Said>(body) {
        Ok(said) => said.error,
        Err(_) => format!("it answered {status}, which isn't Rutter's API: check address and port"),
    };
    match (status, data) {
        (StatusCode::UNAUTHORIZED, Some(data)) => anyhow!(
            "{said}\nThe token in {data}/admin.token opens nothing: restart it, which makes another."
        ),
        (StatusCode::UNAUTHORIZED, None) => anyhow!("{said}\nCheck RUTTER_TOKEN."),
        (StatusCode::FORBIDDEN, _) => {
            anyhow!("{said}\nMake one with `rutter tokens create` on the controller.")
        }
        _ => anyhow!("{said}"),
    }
}
