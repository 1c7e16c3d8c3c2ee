//! Who is compared, and how each is told to pass streams on.

use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::load::Targets;
use crate::bench::process::Process;
use crate::bench::services::free_address;

/// A proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::bench::services) enum Contender {
    Rutter,
    Nginx,
    Haproxy,
}

/// A proxy that serves.
pub(super) struct Running {
    pub(super) contender: Contender,
    pub(super) process: Process,
    pub(super) tcp: SocketAddr,
    pub(super) udp: SocketAddr,
}

impl Contender {
    pub(super) const ALL: [Self; 3] = [Self::Rutter, Self::Nginx, Self::Haproxy];

    pub(in crate::bench::services) fn name(self) -> &'static str {
        match self {
            Self::Rutter => "Rutter",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    /// Starts it and waits until it takes connections.
    pub(super) fn start(self, targets: &Targets, program: &Path, folder: &Path) -> Result<Running> {
        let folder = folder.join(self.name());
        fs::create_dir_all(&folder)?;
        let (tcp, udp) = (free_address()?, free_udp()?);
        let mut command = match self {
            Self::Rutter => rutter(targets, program, &folder, tcp, udp)?,
            Self::Nginx => nginx(targets, &folder, tcp, udp)?,
            Self::Haproxy => haproxy(targets, &folder, tcp)?,
        };
        let mut process = Process::start(self.name(), &mut command, &folder)?;
        process.until("listening", || TcpStream::connect(tcp).is_ok())?;
        Ok(Running { contender: self, process, tcp, udp })
    }
}

/// A port that nobody has at the moment.
fn free_udp() -> Result<SocketAddr> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?)
}

fn rutter(
    targets: &Targets,
    program: &Path,
    folder: &Path,
    tcp: SocketAddr,
    udp: SocketAddr,
) -> Result<Command> {
    let config = folder.join("config");
    fs::create_dir_all(&config)?;
    let text = "defaults:\n  healthcheck:\n    disable: true\nproviders:\n  include: [s.yml]\n";
    fs::write(config.join("config.yml"), text)?;
    let route = |name: &str, listen: SocketAddr, target: SocketAddr| {
        format!(
            "{name}:\n  scheme: {name}\n  bind: 127.0.0.1\n  host: 127.0.0.1\n  port: {}:{}\n",
            listen.port(),
            target.port()
        )
    };
    let routes = route("tcp", tcp, targets.tcp) + &route("udp", udp, targets.udp);
    fs::write(config.join("s.yml"), routes)?;
    fs::write(
        folder.join(".env"),
        format!("GODOXY_HTTP_ADDR={}\nGODOXY_HTTPS_ADDR=\n", free_address()?),
    )?;
    let mut command = Command::new(program);
    command.args(["godoxy", "run"]).arg(folder).arg("--data").arg(folder.join("data"));
    Ok(command)
}

/// Its buffer is larger than by default, which costs it fewer calls.
fn nginx(targets: &Targets, folder: &Path, tcp: SocketAddr, udp: SocketAddr) -> Result<Command> {
    let (file, at) = (folder.join("nginx.conf"), folder.display());
    let Targets { tcp: to_tcp, udp: to_udp } = targets;
    let text = format!(
        "\
load_module {};
daemon off;
user root;
worker_processes 2;
worker_rlimit_nofile 16384;
pid {at}/nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
stream {{
    proxy_buffer_size 64k;
    server {{ listen {tcp} reuseport; proxy_pass {to_tcp}; }}
    server {{ listen {udp} udp reuseport; proxy_pass {to_udp}; proxy_timeout 60s; }}
}}
",
        super::MODULE
    );
    fs::write(&file, text)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file);
    Ok(command)
}

/// It may splice, and its buffer is larger than by default where it doesn't.
fn haproxy(targets: &Targets, folder: &Path, tcp: SocketAddr) -> Result<Command> {
    let file = folder.join("haproxy.cfg");
    let to = targets.tcp;
    let text = format!(
        "\
global
    nbthread 2
    maxconn 4000
    tune.bufsize 65536
defaults
    mode tcp
    option splice-auto
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend people
    bind {tcp}
    default_backend target
backend target
    server target {to}
"
    );
    fs::write(&file, text)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}
