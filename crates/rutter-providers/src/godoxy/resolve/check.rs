//! What doesn't go together in a route: the original's errors of validation, in its words where it
//! has some.

use rutter_route::{HostName, UpstreamOptions};

use rutter_yaml::unknown_word;

use crate::RemarkKind;
use crate::godoxy::Settings;
use crate::godoxy::docker::is_this_host;
use crate::godoxy::notes::Notes;
use crate::godoxy::ports::Ports;
use crate::godoxy::written::{Scheme, Written};

/// Notes what doesn't go together.
pub(super) fn check(
    written: &Written,
    scheme: Scheme,
    ports: Ports,
    is_container: bool,
    notes: &mut Notes,
) {
    let agent = match is_container {
        true => "specifying agent is not allowed for docker container routes",
        false => "the original's agents aren't spoken with: run Rutter's agent there",
    };
    unless(written.agent.is_none(), notes, "agent", agent);
    health(written, notes);
    streams(written, scheme, ports, notes);
    http(written, scheme, notes);
}

/// Whatever balances or sleeps must know who is well.
fn health(written: &Written, notes: &mut Notes) {
    let idle = written.idle;
    let needs_health = written.balance.is_some() || idle.is_on;
    unless(
        !(written.health.is_disabled && needs_health),
        notes,
        "healthcheck",
        "cannot disable healthcheck when loadbalancer or idle watcher is enabled",
    );
    let has_target = !idle.is_on || idle.has_target;
    unless(has_target, notes, "idlewatcher", "missing idlewatcher provider config");
}

fn streams(written: &Written, scheme: Scheme, ports: Ports, notes: &mut Notes) {
    let is_tcp = scheme == Scheme::Tcp;
    unless(
        !written.sends_proxy_header || is_tcp,
        notes,
        "relay_proxy_protocol_header",
        "relay_proxy_protocol_header is only supported for tcp routes",
    );
    if written.terminates_tls {
        let message = "tls_termination is only supported for tcp routes";
        unless(is_tcp, notes, "tls_termination", message);
        unless(
            !is_tcp || ports.listening == 0,
            notes,
            "tls_termination",
            "tls_termination is only supported for tcp routes on the shared HTTPS listener",
        );
    }
    unless(
        scheme != Scheme::Udp || ports.listening != 0,
        notes,
        "port",
        "a udp route needs a port to listen on: write `listening_port:target_port`",
    );
}

fn http(written: &Written, scheme: Scheme, notes: &mut Notes) {
    unless(
        written.certificate.is_some() == written.certificate_key.is_some(),
        notes,
        "ssl_certificate",
        "ssl_certificate and ssl_certificate_key need each other",
    );
    let is_stream = matches!(scheme, Scheme::Tcp | Scheme::Udp);
    let message = "path_prefix is only supported for HTTP-based routes";
    unless(written.paths.is_none() || !is_stream, notes, "path_prefix", message);
    let says_files = written.root.is_some() || written.is_spa || written.index.is_some();
    if says_files && scheme != Scheme::FileServer {
        let message = "`root`, `spa` and `index` do nothing without `scheme: fileserver`";
        notes.remark(RemarkKind::Ignored, message);
    }
    let has_upstream = !is_stream && scheme != Scheme::FileServer;
    if !has_upstream && written.upstream != UpstreamOptions::default() {
        notes.remark(RemarkKind::Ignored, "options of HTTP upstreams do nothing here");
    }
}

/// A profile that nobody knows would let everybody in or nobody.
pub(super) fn check_mtls(
    written: &Written,
    scheme: Scheme,
    settings: &Settings,
    notes: &mut Notes,
) {
    let Some(profile) = &written.inbound_mtls_profile else { return };
    notes.within("inbound_mtls_profile", |notes| {
        if matches!(scheme, Scheme::Tcp | Scheme::Udp) {
            notes.problem("inbound_mtls_profile is only supported for HTTP-based routes");
        } else if settings.has_global_mtls {
            notes.problem("there is an inbound mTLS profile for all routes already");
        } else if !settings.inbound_mtls_profiles.contains(profile) {
            let names: Vec<&str> =
                settings.inbound_mtls_profiles.iter().map(String::as_str).collect();
            let (message, help) = unknown_word("inbound mTLS profile", profile, &names);
            notes.problem_with(message, help);
        }
    });
}

/// A route to the gateway's own ports would lead requests round in a circle.
pub(super) fn check_reserved(
    host: Option<&HostName>,
    scheme: Scheme,
    ports: Ports,
    settings: &Settings,
    notes: &mut Notes,
) {
    let is_here = host.is_some_and(is_this_host);
    let is_reserved = settings.reserved_ports.contains(&ports.target);
    if is_here && is_reserved && !matches!(scheme, Scheme::Udp | Scheme::FileServer) {
        let message = format!("localhost:{} is reserved for Rutter", ports.target);
        notes.within("port", |notes| notes.problem(message));
    }
}

fn unless(holds: bool, notes: &mut Notes, field: &str, message: &str) {
    if !holds {
        notes.within(field, |notes| notes.problem(message));
    }
}
