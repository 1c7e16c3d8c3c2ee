//! One probe: a `HEAD` that must be answered 200, or a TCP connect.
//!
//! A probe makes a connection of its own: a pooled one would prove that the service was well when
//! it was opened. It goes to the same address, by the same scheme and with the same verification
//! as a request would.

use std::time::Duration;

use http::header::HOST;
use http::{Method, Request, StatusCode, Uri};
use rutter_route::{Endpoint, HealthCheck, ServiceName};

use super::detector::ProbeKind;
use crate::failover::replay::RequestBody;
use crate::upstream::{Connector, Target};

/// Whom to ask, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbeTarget {
    pub(crate) service: ServiceName,
    pub(crate) endpoint: Endpoint,
    pub(crate) health_check: Option<HealthCheck>,
}

/// Asks; what was seen instead of health is the error.
pub(crate) async fn probe(
    connector: &Connector,
    target: &ProbeTarget,
    kind: ProbeKind,
    timeout: Duration,
) -> Result<(), String> {
    let asked = async {
        match (kind, &target.health_check) {
            (ProbeKind::Head, Some(check)) => head(connector, target, check).await,
            _ => connect(connector, target).await,
        }
    };
    match tokio::time::timeout(timeout, asked).await {
        Ok(seen) => seen,
        Err(_) => Err(format!("no answer within {} ms", timeout.as_millis())),
    }
}

async fn connect(connector: &Connector, target: &ProbeTarget) -> Result<(), String> {
    let to = Target::new(&target.endpoint, target.service.as_str(), &target.service);
    connector.connect_tcp(&to).await.map(drop).map_err(|e| e.to_string())
}

async fn head(
    connector: &Connector,
    target: &ProbeTarget,
    check: &HealthCheck,
) -> Result<(), String> {
    let host = check.host.as_deref().unwrap_or(target.service.as_str());
    let name = crate::index::normalise(host).map_err(|e| e.to_string())?;
    let path: Uri = check.path.parse().map_err(|e| format!("the health check's path: {e}"))?;
    let to = Target::new(&target.endpoint, &name, &target.service);
    let mut connection = connector.connect(&to).await.map_err(|e| e.to_string())?;
    let request = Request::builder()
        .method(Method::HEAD)
        .uri(path)
        .header(HOST, host)
        .header("x-health-check", "1")
        .body(RequestBody::Empty)
        .map_err(|e| e.to_string())?;
    let response = connection.send(request).await.map_err(|e| e.to_string())?;
    match response.status() {
        StatusCode::OK => Ok(()),
        other => Err(format!("HEAD {} answered {}", check.path, other.as_u16())),
    }
}
