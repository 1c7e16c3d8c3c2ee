//! Server-sent events, as far as Rutter's API uses them (WHATWG HTML 9.2): `event`, `data`, `id`.

use anyhow::bail;
use reqwest::Response;

/// The longest event that is read, in bytes.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Event {
    /// Its name.
    pub(crate) name: String,
    /// Its data, lines joined by `\n`.
    pub(crate) data: String,
}

/// Events as they come.
pub(crate) struct Events {
    response: Response,
    parser: Parser,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        Self { response, parser: Parser::default() }
    }

    /// The next one; `None` at the end of the stream.
    ///
    /// # Errors
    /// A connection that broke, an event without end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(Some(event));
            }
            match self.response.chunk().await? {
                None => return Ok(None),
                Some(chunk) if self.parser.buffer.len() + chunk.len() > MAX_EVENT => {
                    bail!("an event has more than {MAX_EVENT} bytes");
                }
                Some(chunk) => self.parser.buffer.extend_from_slice(&chunk),
            }
        }
    }
}

#[derive(Debug, Default)]
struct Parser {
    buffer: Vec<u8>,
    event: Event,
}

impl Parser {
    /// The next event that has come whole.
    fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.name.is_empty() || !event.data.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => self.event.name = value.to_owned(),
                "data" if self.event.data.is_empty() => self.event.data = value.to_owned(),
                "data" => {
                    self.event.data.push('\n');
                    self.event.data.push_str(value);
                }
                // Comments keep the connection alive; ids are for who resumes.
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text =
            b": hello\n\nevent: a\ndata: 1\ndata: 2\nid: 7\n\r\nevent:b\ndata:{}\n\nevent: c\n";
        for cut in 1..text.len() {
            let mut parser = Parser::default();
            let mut told = Vec::new();
            for chunk in text.chunks(cut) {
                parser.buffer.extend_from_slice(chunk);
                told.extend(std::iter::from_fn(|| parser.next()));
            }
            let event = |name: &str, data: &str| Event { name: name.into(), data: data.into() };
            assert_eq!(told, [event("a", "1\n2"), event("b", "{}")], "cut at {cut}");
        }
    }
}
