//! HAProxy, started for the test.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// How long it may take to start.
const START: Duration = Duration::from_secs(30);

/// A HAProxy that speaks HTTP/2 without TLS; it ends when dropped.
pub(super) struct HaProxy {
    child: Child,
    pub(super) address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is waited for.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl HaProxy {
    /// In front of that origin; `None` if it isn't installed.
    pub(super) async fn start(origin: SocketAddr) -> Option<Self> {
        let program = ["/usr/sbin/haproxy", "/usr/bin/haproxy", "/usr/local/sbin/haproxy"]
            .into_iter()
            .find(|program| std::path::Path::new(program).is_file())?;
        let directory = tempfile::tempdir().unwrap();
        // A port that was free a moment ago: HAProxy can't tell which one it was given.
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let config = format!(
            "global\n  maxconn 1000\n\
             defaults\n  mode http\n  timeout client 20s\n  timeout server 20s\n  \
             timeout connect 5s\n  timeout http-request 20s\n\
             frontend in\n  bind {address} proto h2\n  default_backend out\n\
             backend out\n  server origin {origin}\n"
        );
        let file = directory.path().join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(program)
            .args(["-db", "-q", "-f"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(START, started).await.expect("HAProxy's start");
        Some(Self { child, address, _directory: directory })
    }
}
