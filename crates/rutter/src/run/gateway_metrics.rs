//! The gateway's counters as metrics.
//!
//! The gateway counts without a metrics library, so that a request makes no labels; here, where
//! they are asked for, they get their names.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use rutter_gateway::{Counter, GatewayMetrics};

/// See the module's head.
#[derive(Debug)]
pub(super) struct Exported(pub(super) Arc<GatewayMetrics>);

impl Collector for Exported {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let metrics = &self.0;
        let answers =
            Family::<Vec<(String, String)>, prometheus_client::metrics::counter::Counter>::default(
            );
        for (first_digit, n_answers) in (1..).zip(&metrics.answers) {
            let labels = vec![("status".to_owned(), format!("{first_digit}xx"))];
            answers.get_or_create(&labels).inc_by(n_answers.get());
        }
        let kind = EncodeMetric::metric_type(&answers);
        let help = "Answers of the gateway by the first digit of their status";
        let described = encoder.encode_descriptor("rutter_gateway_answers", help, None, kind)?;
        answers.encode(described)?;
        let counters: [(&str, &str, &Counter); 44] = [
            (
                "access_log_dropped",
                "Lines of the access log that could not be kept or written",
                &metrics.access_log_dropped,
            ),
            ("acme_orders", "Certificates ordered by ACME", &metrics.acme_orders),
            ("acme_failures", "Orders that came to nothing", &metrics.acme_failures),
            ("failovers", "Requests that went on to another route", &metrics.failovers),
            ("stale_retries", "Requests tried again on the same route", &metrics.stale_retries),
            (
                "retries_refused",
                "Failed requests that may not be repeated",
                &metrics.retries_refused,
            ),
            ("routes_exhausted", "Requests for which no route was left", &metrics.routes_exhausted),
            ("upstream_connects", "Upstream connections opened", &metrics.upstream_connects),
            (
                "upstream_connect_failures",
                "Upstream connections that didn't come about",
                &metrics.upstream_connect_failures,
            ),
            (
                "upstream_busy",
                "Requests that waited too long for one of a route's connections",
                &metrics.upstream_busy,
            ),
            ("upstream_reuses", "Requests sent over a pooled connection", &metrics.upstream_reuses),
            ("connections", "Client connections accepted", &metrics.connections),
            (
                "connections_refused",
                "Client connections over limits.max_connections_per_client",
                &metrics.connections_refused,
            ),
            ("slow_heads", "Connections cut amid a request's head", &metrics.slow_heads),
            ("slow_bodies", "Requests cut amid their body", &metrics.slow_bodies),
            (
                "large_bodies",
                "Requests whose body is over limits.max_body_bytes",
                &metrics.large_bodies,
            ),
            ("slow_readers", "Answers whose clients didn't take them", &metrics.slow_readers),
            ("retries", "Requests repeated after bytes of them were sent", &metrics.retries),
            (
                "retry_budget_exhausted",
                "Requests not repeated since too many were",
                &metrics.retry_budget_exhausted,
            ),
            ("try_timeouts", "Tries given up for another route", &metrics.try_timeouts),
            ("request_timeouts", "Requests not answered in their time", &metrics.request_timeouts),
            ("probes_good", "Health probes that found the route well", &metrics.probes_good),
            ("probes_bad", "Health probes that didn't", &metrics.probes_bad),
            ("ejections", "Routes taken out of service by outlier detection", &metrics.ejections),
            (
                "ejections_spared",
                "Failures that ejected nothing since too few others are in service",
                &metrics.ejections_spared,
            ),
            (
                "health_notes_dropped",
                "Failures and successes that the detector had no room for",
                &metrics.health_notes_dropped,
            ),
            ("routes_refused", "Routes that the table could not take", &metrics.routes_refused),
            (
                "connections_cut",
                "Client connections cut off at the end of the drain time",
                &metrics.connections_cut,
            ),
            (
                "acl_denied",
                "Connections and clients of UDP that the ACL doesn't let in",
                &metrics.acl_denied,
            ),
            (
                "proxy_headers_refused",
                "Connections cut for their PROXY header, or for want of one",
                &metrics.proxy_headers_refused,
            ),
            ("streams", "Streams of TCP passed on", &metrics.streams),
            (
                "streams_without_route",
                "Streams for which no route was left",
                &metrics.streams_without_route,
            ),
            ("streams_idle", "Streams on which nothing moved for too long", &metrics.streams_idle),
            ("stream_bytes_in", "Bytes of streams from clients", &metrics.stream_bytes_in),
            ("stream_bytes_out", "Bytes of streams to clients", &metrics.stream_bytes_out),
            ("udp_sessions", "Clients of UDP that were given an upstream", &metrics.udp_sessions),
            ("datagrams_in", "Datagrams from clients", &metrics.datagrams_in),
            ("datagrams_out", "Datagrams to clients", &metrics.datagrams_out),
            ("datagrams_dropped", "Datagrams that were not passed on", &metrics.datagrams_dropped),
            (
                "tunnels_cut",
                "Tunnels and streams closed at the end of the drain time",
                &metrics.tunnels_cut,
            ),
            (
                "tls_handshake_failures",
                "TLS handshakes with clients that failed",
                &metrics.tls_handshake_failures,
            ),
            (
                "controller_sessions_lost",
                "Sessions with a controller elsewhere that were lost",
                &metrics.controller_sessions_lost,
            ),
            ("resolves", "Names asked for at a backend", &metrics.resolves),
            (
                "resolve_failures",
                "Names asked for at a backend that didn't answer",
                &metrics.resolve_failures,
            ),
        ];
        for (name, help, counter) in counters {
            let counter = ConstCounter::new(counter.get());
            let name = format!("rutter_gateway_{name}");
            let described = encoder.encode_descriptor(&name, help, None, counter.metric_type())?;
            counter.encode(described)?;
        }
        let away = metrics.controller_away();
        let kept = away.is_some() && metrics.services_told.get() == 1;
        let gauges: [(&str, &str, u64); 12] = [
            (
                "controller_up",
                "Whether the link to a controller elsewhere is up",
                metrics.controller_up.get(),
            ),
            (
                "controller_silent_seconds",
                "For how long a controller elsewhere has been away; 0: it isn't",
                away.unwrap_or_default().as_secs(),
            ),
            (
                "routes_kept",
                "Whether the routes of a controller that is away are still forwarded by",
                u64::from(kept),
            ),
            (
                "services_told",
                "Whether all services were told, and stand",
                metrics.services_told.get(),
            ),
            (
                "resolved_names",
                "Names remembered of a backend, known or not",
                metrics.resolved_names.get(),
            ),
            ("active_tunnels", "Tunnels open now", metrics.active_tunnels.get()),
            ("active_streams", "Streams of TCP open now", metrics.active_streams.get()),
            (
                "active_udp_sessions",
                "Clients of UDP that have an upstream now",
                metrics.active_udp_sessions.get(),
            ),
            (
                "acme_not_after_seconds",
                "When the certificate by ACME ends, since the Unix epoch",
                metrics.acme_not_after_seconds.get(),
            ),
            ("active_connections", "Client connections open now", metrics.active_connections.get()),
            (
                "ejected_routes",
                "Routes out of service by outlier detection now",
                metrics.ejected_routes.get(),
            ),
            (
                "idle_connections",
                "Client connections that wait for a request",
                metrics.idle_connections.get(),
            ),
        ];
        for (name, help, gauge) in gauges {
            let gauge = ConstGauge::new(i64::try_from(gauge).unwrap_or(i64::MAX));
            let name = format!("rutter_gateway_{name}");
            let described = encoder.encode_descriptor(&name, help, None, gauge.metric_type())?;
            gauge.encode(described)?;
        }
        Ok(())
    }
}
