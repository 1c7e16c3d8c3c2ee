//! A container engine that isn't one: it answers as an engine's API does, of containers that it
//! makes up, over a Unix socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

/// An engine; it lives as long as the process.
pub(super) struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// With so many containers, each labelled with where it leads.
    pub(super) fn start(folder: &Path, containers: usize, origin: SocketAddr) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let socket = folder.join("engine.sock");
        let listener = UnixListener::bind(&socket)?;
        let list: Vec<Value> = (0..containers).map(|number| container(number, origin)).collect();
        let list = Arc::new(serde_json::to_vec(&list)?);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let list = list.clone();
                // A client that goes away ends its thread and nothing else.
                std::thread::spawn(move || serve(stream, &list).ok());
            }
        });
        Ok(Self { socket })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

fn container(number: usize, origin: SocketAddr) -> Value {
    let name = format!("c{number}");
    let third = u8::try_from(number / 250 % 250).unwrap_or_default();
    let fourth = u8::try_from(number % 250 + 2).unwrap_or_default();
    json!({
        "Id": format!("{number:064x}"),
        "Names": [format!("/{name}")],
        "Image": "example/app:1",
        "ImageID": "sha256:0",
        "Command": "app",
        "Created": 1_790_000_000,
        "State": "running",
        "Status": "Up 2 hours",
        "Ports": [{ "PrivatePort": 8080, "Type": "tcp" }],
        "Labels": {
            format!("proxy.{name}.host"): origin.ip().to_string(),
            format!("proxy.{name}.port"): origin.port().to_string(),
        },
        "HostConfig": { "NetworkMode": "bridge" },
        "NetworkSettings": {
            "Networks": { "bridge": { "IPAddress": format!("172.17.{third}.{fourth}") } }
        },
        "Mounts": [],
    })
}

fn serve(stream: UnixStream, list: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut stream = stream;
    while let Some(first) = lines.next().transpose()? {
        for line in lines.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        let path = first.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        match path {
            _ if path.ends_with("/containers/json") => answer(&mut stream, list)?,
            // Nothing ever happens there.
            _ if path.ends_with("/events") => {
                write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            }
            _ if path.ends_with("/_ping") => answer(&mut stream, b"OK")?,
            _ => {
                let version = json!({ "ApiVersion": "1.44", "MinAPIVersion": "1.24" });
                answer(&mut stream, version.to_string().as_bytes())?;
            }
        }
    }
    Ok(())
}

fn answer(stream: &mut UnixStream, body: &[u8]) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\napi-version: 1.44\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}
