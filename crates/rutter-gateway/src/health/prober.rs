//! One probe: a request for the health check's path, or a TCP connect.
//!
//! A probe makes a connection of its own: a pooled one would prove that the service was well when
//! it was opened. It goes to the same address, by the same scheme and with the same verification
//! as a request would.

use std::sync::Arc;

use http::header::HOST;
use http::{Method, Request, Uri};
use rutter_route::{Delivery, Endpoint, HealthCheck, ServiceName};

use super::config::{CheckMethod, HealthConfig};
use super::events::ProbeKind;
use crate::failover::replay::RequestBody;
use crate::upstream::{Connector, Target};

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub(crate) struct ProbeTarget {
    pub(crate) service: ServiceName,
    pub(crate) endpoint: Endpoint,
    pub(crate) health_check: Option<HealthCheck>,
    /// How requests are passed on, and so how it is asked.
    pub(crate) delivery: Arc<Delivery>,
}

impl PartialEq for ProbeTarget {
    /// Of how requests are passed on only what concerns upstreams is how they are asked.
    fn eq(&self, other: &Self) -> bool {
        self.service == other.service
            && self.endpoint == other.endpoint
            && self.health_check == other.health_check
            && self.delivery.upstream == other.delivery.upstream
    }
}

impl Eq for ProbeTarget {}

/// Asks; what was seen instead of health is the error.
pub(crate) async fn probe(
    connector: &Connector,
    target: &ProbeTarget,
    kind: ProbeKind,
    config: &HealthConfig,
) -> Result<(), String> {
    let asked = async {
        match (kind, &target.health_check) {
            (ProbeKind::Check, Some(check)) => ask(connector, target, check, config).await,
            _ => connect(connector, target).await,
        }
    };
    match tokio::time::timeout(config.check_timeout, asked).await {
        Ok(seen) => seen,
        Err(_) => Err(format!("no answer within {} ms", config.check_timeout.as_millis())),
    }
}

async fn connect(connector: &Connector, target: &ProbeTarget) -> Result<(), String> {
    let to = Target::new(&target.endpoint, target.service.as_str(), &target.service);
    connector.connect_tcp(&to).await.map(drop).map_err(|e| e.to_string())
}

async fn ask(
    connector: &Connector,
    target: &ProbeTarget,
    check: &HealthCheck,
    config: &HealthConfig,
) -> Result<(), String> {
    let host = check.host.as_deref().unwrap_or(target.service.as_str());
    let name = crate::index::normalise(host).map_err(|e| e.to_string())?;
    let path: Uri = check.path.parse().map_err(|e| format!("the health check's path: {e}"))?;
    let to = Target::new(&target.endpoint, &name, &target.service);
    let to = to.delivered_by(&target.delivery);
    let mut connection = connector.connect(&to).await.map_err(|e| e.to_string())?;
    let method = match config.check_method {
        CheckMethod::Head => Method::HEAD,
        CheckMethod::Get => Method::GET,
    };
    let request = Request::builder()
        .method(method.clone())
        .uri(path)
        .header(HOST, host)
        .header("x-health-check", "1")
        .body(RequestBody::Empty)
        .map_err(|e| e.to_string())?;
    let response = connection.send(request).await.map_err(|e| e.to_string())?;
    // A body, if there is one, is left unread: the connection ends here.
    match response.status() {
        status if config.check_status.contains(status) => Ok(()),
        other => Err(format!("{method} {} answered {}", check.path, other.as_u16())),
    }
}
