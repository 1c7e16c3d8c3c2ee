//! Two origins that say who they are, and the asking.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};

use super::ANSWER;

/// Origins `a`, to which all routes lead at first, and `b`.
pub(super) struct Origins {
    before: SocketAddr,
    after: SocketAddr,
}

impl Origins {
    /// They live as long as the process.
    pub(super) fn start() -> Result<Self> {
        Ok(Self { before: serve('a')?, after: serve('b')? })
    }

    pub(super) fn before(&self) -> SocketAddr {
        self.before
    }

    pub(super) fn after(&self) -> SocketAddr {
        self.after
    }
}

fn serve(name: char) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away ends its thread and nothing else.
            std::thread::spawn(move || answer(stream, name).ok());
        }
    });
    Ok(address)
}

fn answer(stream: TcpStream, name: char) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut stream = stream;
    while let Some(line) = lines.next().transpose()? {
        if line.is_empty() {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{name}")?;
        }
    }
    Ok(())
}

/// The body that a host's origin answers with, over a connection of its own.
pub(super) fn answer_of(http: SocketAddr, host: &str) -> Result<String> {
    Asking::connect(http)?.ask(host)
}

/// A connection on which one asks again and again.
pub(super) struct Asking {
    reader: BufReader<TcpStream>,
}

impl Asking {
    pub(super) fn connect(http: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(http)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// The body of the answer, whatever its status.
    pub(super) fn ask(&mut self, host: &str) -> Result<String> {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.reader.get_mut().write_all(request.as_bytes())?;
        let (mut length, mut line) = (None, String::new());
        loop {
            line.clear();
            if self.reader.read_line(&mut line)? == 0 {
                bail!("the connection ended in an answer's head");
            }
            if line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse()?);
            }
        }
        let mut body = vec![0; length.context("an answer without a length")?];
        self.reader.read_exact(&mut body)?;
        Ok(String::from_utf8(body)?)
    }
}
