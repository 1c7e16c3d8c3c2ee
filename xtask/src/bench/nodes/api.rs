//! As much of HTTP as it takes to ask the controller's API on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(super) fn get(api: SocketAddr, token: &str, path: &str) -> Result<Value> {
    ask(api, token, "GET", path, "")
}

pub(super) fn post(api: SocketAddr, token: &str, path: &str, body: &Value) -> Result<Value> {
    ask(api, token, "POST", path, &body.to_string())
}

fn ask(api: SocketAddr, token: &str, method: &str, path: &str, body: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(api)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\nAuthorization: Bearer \
         {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        bail!("{method} {path}: {status}: {body}");
    }
    // What isn't JSON (`/readyz`) says enough by its status.
    Ok(serde_json::from_str(body).unwrap_or(Value::Null))
}
