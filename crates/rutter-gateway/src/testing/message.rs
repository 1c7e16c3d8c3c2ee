//! HTTP messages read as plainly as can be, so that nothing is made better than it came.

use tokio::io::{AsyncRead, AsyncReadExt};

/// A request or an answer as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    /// Everything before the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) complete: bool,
}

impl Message {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|l| l.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn start_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

/// Reads one message; `None`: the stream ended before its head did. `is_answer`: without a length
/// the body goes to the stream's end.
pub(crate) async fn read_message(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    is_answer: bool,
) -> Option<Message> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let mut message = Message { head, body: Vec::new(), complete: true };
    let bodiless = is_answer && matches!(message.status(), 101 | 204 | 304);
    if message.header("transfer-encoding").is_some() {
        message.complete = read_chunks(stream, buffer, &mut message.body).await.is_some();
    } else if let Some(length) = message.header("content-length") {
        let length: usize = length.parse().unwrap();
        while buffer.len() < length && more(stream, buffer).await.is_some() {}
        message.complete = buffer.len() >= length;
        message.body = buffer.drain(..length.min(buffer.len())).collect();
    } else if is_answer && !bodiless {
        while more(stream, buffer).await.is_some() {}
        message.body = std::mem::take(buffer);
    }
    Some(message)
}

async fn read_chunks(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    body: &mut Vec<u8>,
) -> Option<()> {
    loop {
        let at = loop {
            if let Some(at) = buffer.windows(2).position(|w| w == b"\r\n") {
                break at;
            }
            more(stream, buffer).await?;
        };
        let size = std::str::from_utf8(&buffer[..at]).unwrap();
        let size = usize::from_str_radix(size.split(';').next().unwrap(), 16).unwrap();
        buffer.drain(..at + 2);
        while buffer.len() < size + 2 {
            more(stream, buffer).await?;
        }
        body.extend(buffer.drain(..size));
        assert_eq!(buffer.drain(..2).collect::<Vec<_>>(), b"\r\n", "a chunk's end");
        if size == 0 {
            return Some(());
        }
    }
}

async fn more(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 16 * 1024];
    match stream.read(&mut chunk).await {
        Ok(0) | Err(_) => None,
        Ok(n) => {
            buffer.extend_from_slice(&chunk[..n]);
            Some(())
        }
    }
}
