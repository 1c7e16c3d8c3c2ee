//! nginx: hosts in a `map`, all of which lead to one upstream group that keeps connections.

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
    scene.write_routes("nginx.map", |text, host| writeln!(text, "{host} origin;"))?;
    let file = scene.file("nginx.conf");
    fs::write(&file, config(scene, http, https, logs))?;
    let mut nginx = Command::new("nginx");
    let process = Process::start("nginx", nginx.arg("-c").arg(file), &scene.folder)?;
    Ok(Running { contender: Contender::Nginx, process, http, https, feeder: None })
}

/// Buffers hold the large answer and the posted body, else nginx writes files; the log is written
/// by the buffer, as Rutter's is.
fn config(scene: &Scene, http: SocketAddr, https: SocketAddr, logs: bool) -> String {
    let folder = scene.folder.display();
    let Scene { origin, n_routes, .. } = scene;
    let log = match logs {
        true => format!("{folder}/nginx.log json buffer=64k flush=1s"),
        false => "off".to_owned(),
    };
    // nginx looks for the least number of buckets without a full one, from a thousandth of this up.
    let map_size = (n_routes * 2).max(2048);
    format!(
        "\
daemon off;
user root;
worker_processes 2;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
    log_format json escape=json '{{\"time\":\"$time_iso8601\",\"client\":\"$remote_addr\",'
        '\"method\":\"$request_method\",\"host\":\"$host\",\"path\":\"$request_uri\",'
        '\"protocol\":\"$server_protocol\",\"status\":$status,\"bytes\":$body_bytes_sent,'
        '\"duration\":$request_time,\"upstream\":\"$upstream_addr\",'
        '\"agent\":\"$http_user_agent\",\"referer\":\"$http_referer\",\"id\":\"$request_id\"}}';
    access_log {log};
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    client_body_buffer_size 128k;
    proxy_buffer_size 16k;
    proxy_buffers 8 32k;
    proxy_busy_buffers_size 64k;
    map_hash_max_size {map_size};
    map_hash_bucket_size 128;
    map $host $pool {{
        default \"\";
        include {folder}/nginx.map;
    }}
    upstream origin {{
        server {origin};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {http};
        listen {https} ssl http2;
        http2_max_requests 1000000000;
        ssl_certificate {folder}/chain.pem;
        ssl_certificate_key {folder}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{
            if ($pool = \"\") {{ return 404; }}
            proxy_pass http://$pool;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Connection \"\";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Request-Id $request_id;
            add_header X-Request-Id $request_id;
        }}
    }}
}}
"
    )
}
