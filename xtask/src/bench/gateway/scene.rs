//! What stands around a contender: an origin, a table of hosts, a certificate.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rcgen::{CertificateParams, KeyPair};

use crate::bench::process::Process;
use crate::bench::random::Random;

/// Of the hosts in a table, how many are asked for in turns.
const ASKED: usize = 256;

/// Bytes of the small answer, the large one and the body that is posted.
pub(super) const SMALL: usize = 256;
pub(super) const LARGE: usize = 64 * 1024;
pub(super) const POSTED: usize = 4 * 1024;

/// Folders, files and the origin that all contenders of a table size share.
pub(super) struct Scene {
    pub(super) folder: PathBuf,
    pub(super) n_routes: usize,
    pub(super) origin: SocketAddr,
    _origin: Process,
}

impl Scene {
    /// Writes the files and starts the origin.
    pub(super) fn set(folder: &Path, n_routes: usize) -> Result<Self> {
        let folder = folder.join(n_routes.to_string());
        fs::create_dir_all(&folder)?;
        certificate(&folder)?;
        fs::write(folder.join("asked"), asked(n_routes).join("\n") + "\n")?;
        fs::write(folder.join("posted"), "x".repeat(POSTED))?;
        let files = folder.join("files");
        fs::create_dir_all(&files)?;
        fs::write(files.join("small"), "s".repeat(SMALL))?;
        fs::write(files.join("large"), "l".repeat(LARGE))?;
        let address = free_address()?;
        let file = folder.join("origin.conf");
        fs::write(&file, origin(&folder, address))?;
        let mut nginx = Command::new("nginx");
        let mut process = Process::start("origin", nginx.arg("-c").arg(file), &folder)?;
        process.until("listening", || TcpStream::connect(address).is_ok())?;
        Ok(Self { folder, n_routes, origin: address, _origin: process })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Of each host a line, made by `line`.
    pub(super) fn write_routes(
        &self,
        name: &str,
        line: impl Fn(&mut String, &str) -> std::fmt::Result,
    ) -> Result<()> {
        let mut text = String::new();
        for number in 0..self.n_routes {
            line(&mut text, &host(number)).context("a string takes what is written to it")?;
        }
        Ok(fs::write(self.file(name), text)?)
    }
}

/// The name of a service.
pub(crate) fn host(number: usize) -> String {
    format!("app{number}.example.org")
}

/// Some hosts of the table, at random, the last one among them: it is the last to be known.
fn asked(n_routes: usize) -> Vec<String> {
    let mut random = Random(5);
    let drawn = (1..ASKED.min(n_routes)).map(|_| host(random.next() as usize % n_routes));
    [host(n_routes - 1)].into_iter().chain(drawn).collect()
}

/// An address that nobody has now. It may be taken before it is used, which the start then says.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A certificate with a key on P-256, the same for all.
fn certificate(folder: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec!["example.org".into(), "*.example.org".into()])?;
    let certificate = params.self_signed(&key)?.pem();
    let key = key.serialize_pem();
    fs::write(folder.join("chain.pem"), &certificate)?;
    fs::write(folder.join("key.pem"), &key)?;
    // HAProxy wants both in one file.
    Ok(fs::write(folder.join("both.pem"), certificate + &key)?)
}

fn origin(folder: &Path, address: SocketAddr) -> String {
    let mut text = String::new();
    let folder = folder.display();
    // It never fails on a string.
    let _: std::fmt::Result = write!(
        text,
        "\
daemon off;
user root;
worker_processes 2;
worker_rlimit_nofile 16384;
pid {folder}/origin.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_buffer_size 128k;
    open_file_cache max=16;
    default_type text/plain;
    server {{
        listen {address};
        root {folder}/files;
        location = /posted {{ return 200 ok; }}
    }}
}}
"
    );
    text
}
