//! HAProxy: hosts in a map file, all of which lead to one backend that keeps connections.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;

use super::{Contender, Running};
use crate::bench::gateway::scene::{Scene, free_address};
use crate::bench::process::Process;

pub(super) fn start(scene: &Scene, logs: bool) -> Result<Running> {
    let (http, https) = (free_address()?, free_address()?);
    scene.write_routes("haproxy.map", |text, host| writeln!(text, "{host} origin"))?;
    let file = scene.file("haproxy.cfg");
    fs::write(&file, config(scene, http, https, logs))?;
    let mut haproxy = Command::new("haproxy");
    let process = Process::start("haproxy", haproxy.arg("-db").arg("-f").arg(file), &scene.folder)?;
    Ok(Running { contender: Contender::Haproxy, process, http, https, feeder: None })
}

/// A buffer takes the large answer in fewer pieces than the default of 16 KiB. The log goes to the
/// output, which is a file: HAProxy writes no log files of its own.
fn config(scene: &Scene, http: SocketAddr, https: SocketAddr, logs: bool) -> String {
    let folder = scene.folder.display();
    let origin = scene.origin;
    let log = if logs { "log stdout format raw local0" } else { "" };
    format!(
        "\
global
    nbthread 2
    maxconn 9000
    tune.bufsize 32768
    {log}
defaults
    mode http
    log global
    option httplog
    option forwardfor
    option dontlognull
    http-reuse always
    retries 3
    retry-on all-retryable-errors
    timeout connect 5s
    timeout http-request 60s
    timeout http-keep-alive 75s
    timeout client 60s
    timeout server 300s
frontend people
    bind {http}
    bind {https} ssl crt {folder}/both.pem alpn h2,http/1.1
    unique-id-format %[uuid()]
    unique-id-header X-Request-Id
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Real-IP %[src]
    use_backend %[req.hdr(host),field(1,:),lower,map_str({folder}/haproxy.map,nowhere)]
backend origin
    server origin {origin} check inter 10s
backend nowhere
    http-request deny deny_status 404
"
    )
}
