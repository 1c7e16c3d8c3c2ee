//! HTTP/1.1 read by the letter of RFC 9112: no leniency that the RFC merely permits.
//!
//! Deliberately slow and plain. It shares no code with the gateway, so that a mistake of the
//! gateway's parser isn't made twice.

use std::fmt;

/// A request or an answer that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The first line, without its end.
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Fields behind the last chunk.
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
}

impl Message {
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let named = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, v)| String::from_utf8_lossy(v).into_owned()).collect()
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }

    /// An answer's status.
    pub(crate) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// A request's method and target.
    pub(crate) fn method_and_target(&self) -> (&str, &str) {
        let mut words = self.start.split(' ');
        (words.next().unwrap(), words.next().unwrap())
    }
}

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What is there is the beginning of one.
    Incomplete,
    /// Nothing that could follow would make it one.
    Invalid(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => write!(f, "incomplete"),
            Self::Invalid(why) => write!(f, "invalid: {why}"),
        }
    }
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Invalid(why.into()))
}

/// The requests that bytes begin with, and why there aren't more; no fault: they end behind one.
pub(crate) fn requests(bytes: &[u8]) -> (Vec<Message>, Option<Fault>) {
    let (mut all, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        match request(rest) {
            Ok((message, length)) => {
                all.push(message);
                rest = &rest[length..];
            }
            Err(fault) => return (all, Some(fault)),
        }
    }
    (all, None)
}

/// The answers that bytes begin with. `methods`: what was asked, in order, since `HEAD` is
/// answered without a body; `ended`: whether the stream came to its end behind them.
pub(crate) fn answers(
    bytes: &[u8],
    methods: &[&str],
    ended: bool,
) -> (Vec<Message>, Option<Fault>) {
    let (mut all, mut rest, mut n_final) = (Vec::new(), bytes, 0);
    while !rest.is_empty() {
        let method = methods.get(n_final).copied().unwrap_or("GET");
        match answer(rest, method, ended) {
            Ok((message, length)) => {
                if message.status() >= 200 {
                    n_final += 1;
                }
                all.push(message);
                rest = &rest[length..];
            }
            Err(fault) => return (all, Some(fault)),
        }
    }
    (all, None)
}

fn request(bytes: &[u8]) -> Result<(Message, usize), Fault> {
    let (start, fields, at) = head(bytes)?;
    let words: Vec<&str> = start.split(' ').collect();
    let [method, target, version] = words[..] else {
        return invalid(format!("request line {start:?}"));
    };
    if method.is_empty() || !method.bytes().all(is_token) {
        return invalid(format!("method {method:?}"));
    }
    check_target(method, target)?;
    if version != "HTTP/1.1" {
        return invalid(format!("version {version:?}"));
    }
    let mut message = Message { start, fields, body: Vec::new(), trailers: Vec::new() };
    match &message.all("host")[..] {
        [host] if is_host(host) => {}
        hosts => return invalid(format!("hosts {hosts:?}")),
    }
    let at = match framing(&message)? {
        Framing::None => at,
        Framing::Length(n) => sized(bytes, at, n, &mut message)?,
        Framing::Chunked => chunks(bytes, at, &mut message)?,
    };
    Ok((message, at))
}

fn answer(bytes: &[u8], method: &str, ended: bool) -> Result<(Message, usize), Fault> {
    let (start, fields, at) = head(bytes)?;
    let words: Vec<&str> = start.splitn(3, ' ').collect();
    let status = match words[..] {
        ["HTTP/1.1" | "HTTP/1.0", code, _] if code.len() == 3 => code.parse::<u16>(),
        _ => return invalid(format!("status line {start:?}")),
    };
    let Ok(status @ 100..=599) = status else { return invalid(format!("status line {start:?}")) };
    let mut message = Message { start, fields, body: Vec::new(), trailers: Vec::new() };
    let framing = framing(&message)?;
    let bodiless = status < 200 || matches!(status, 204 | 304) || method == "HEAD";
    if bodiless {
        // RFC 9110 8.6: neither may say a length.
        if status < 200 || status == 204 {
            match framing {
                Framing::None => {}
                _ => return invalid(format!("{status} with a length")),
            }
        }
        return Ok((message, at));
    }
    let at = match framing {
        Framing::Length(n) => sized(bytes, at, n, &mut message)?,
        Framing::Chunked => chunks(bytes, at, &mut message)?,
        Framing::None if ended => {
            message.body = bytes[at..].to_vec();
            bytes.len()
        }
        Framing::None => return Err(Fault::Incomplete),
    };
    Ok((message, at))
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

fn framing(message: &Message) -> Result<Framing, Fault> {
    let lengths = message.all("content-length");
    let codings = message.all("transfer-encoding");
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Framing::None),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            match length.parse() {
                Ok(n) => Ok(Framing::Length(n)),
                Err(_) => invalid(format!("length {length:?}")),
            }
        }
        (lengths, codings) => invalid(format!("lengths {lengths:?} and codings {codings:?}")),
    }
}

type Head = (String, Vec<(String, Vec<u8>)>, usize);

fn head(bytes: &[u8]) -> Result<Head, Fault> {
    let (start, mut at) = line(bytes, 0)?;
    let Ok(start) = String::from_utf8(start.to_vec()) else { return invalid("the first line") };
    if start.bytes().any(|b| b < b' ' || b == 0x7f) {
        return invalid(format!("control bytes in {start:?}"));
    }
    let mut fields = Vec::new();
    loop {
        let (text, next) = line(bytes, at)?;
        at = next;
        if text.is_empty() {
            return Ok((start, fields, at));
        }
        fields.push(field(text)?);
    }
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), Fault> {
    let Some(colon) = line.iter().position(|b| *b == b':') else {
        return invalid(format!("no colon in {:?}", String::from_utf8_lossy(line)));
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return invalid(format!("field name {:?}", String::from_utf8_lossy(name)));
    }
    let is_text = |b: &u8| matches!(b, b' ' | b'\t' | 0x21..=0x7e | 0x80..);
    if !value.iter().all(is_text) {
        return invalid(format!("field value {:?}", String::from_utf8_lossy(value)));
    }
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let from = value.iter().position(|b| !is_space(b)).unwrap_or(value.len());
    let to = value.iter().rposition(|b| !is_space(b)).map_or(from, |last| last + 1);
    Ok((String::from_utf8_lossy(name).into_owned(), value[from..to].to_vec()))
}

/// A line without its end, and where the next begins. It ends by CR LF and nothing else.
fn line(bytes: &[u8], from: usize) -> Result<(&[u8], usize), Fault> {
    let Some(end) = bytes[from..].iter().position(|b| *b == b'\n') else {
        return Err(Fault::Incomplete);
    };
    match bytes[from..from + end].split_last() {
        Some((b'\r', text)) if !text.contains(&b'\r') => Ok((text, from + end + 1)),
        _ => invalid("a line doesn't end by CR LF, or holds a CR"),
    }
}

fn sized(bytes: &[u8], at: usize, n: usize, message: &mut Message) -> Result<usize, Fault> {
    let end = at.checked_add(n).filter(|end| *end <= bytes.len()).ok_or(Fault::Incomplete)?;
    message.body = bytes[at..end].to_vec();
    Ok(end)
}

fn chunks(bytes: &[u8], mut at: usize, message: &mut Message) -> Result<usize, Fault> {
    loop {
        let (size, next) = line(bytes, at)?;
        let digits = String::from_utf8_lossy(size).into_owned();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return invalid(format!("chunk size {digits:?}"));
        }
        let Ok(size) = usize::from_str_radix(&digits, 16) else {
            return invalid(format!("chunk size {digits:?}"));
        };
        at = next;
        if size == 0 {
            break;
        }
        let end = at.checked_add(size).filter(|e| *e <= bytes.len()).ok_or(Fault::Incomplete)?;
        message.body.extend_from_slice(&bytes[at..end]);
        match bytes.get(end..end + 2) {
            Some(b"\r\n") => at = end + 2,
            Some(_) => return invalid("a chunk's data doesn't end by CR LF"),
            None => return Err(Fault::Incomplete),
        }
    }
    loop {
        let (text, next) = line(bytes, at)?;
        at = next;
        if text.is_empty() {
            return Ok(at);
        }
        message.trailers.push(field(text)?);
    }
}

/// In origin form, of the characters of RFC 3986 and of those that people's clients send unescaped
/// and that no grammar of HTTP gives a meaning to.
fn check_target(method: &str, target: &str) -> Result<(), Fault> {
    if target == "*" && method == "OPTIONS" {
        return Ok(());
    }
    let is_known = |b: u8| matches!(b, 0x21..=0x7e) && b != b'#';
    if target.starts_with('/') && target.bytes().all(is_known) {
        return Ok(());
    }
    invalid(format!("target {target:?}"))
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&b);
    !name.is_empty() && name.bytes().all(is_name) && port.bytes().all(|b| b.is_ascii_digit())
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// The judge is judged first.
#[test]
fn the_strict_reader_takes_what_is_strict_and_nothing_else() {
    let head = "POST /x HTTP/1.1\r\nHost: a.b\r\n";
    let good = [
        "Content-Length: 2\r\n\r\nab".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: x\r\n\r\n".to_owned(),
        "A: \tb\x7e \r\n\r\n".to_owned(),
    ];
    for rest in good {
        let (all, fault) = requests(format!("{head}{rest}").as_bytes());
        assert_eq!((all.len(), fault), (1, None), "{rest:?}");
    }
    let bad = [
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: +2\r\n\r\nab",
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nabX\r\n0\r\n\r\n",
        "A: b\nB: c\r\n\r\n",
        "A: b\0\r\n\r\n",
        "A : b\r\n\r\n",
        "A: b\r\n c\r\n\r\n",
        "Host: a.b\r\n\r\n",
        ": b\r\n\r\n",
    ];
    for rest in bad {
        let (all, fault) = requests(format!("{head}{rest}").as_bytes());
        assert!(all.is_empty() && matches!(fault, Some(Fault::Invalid(_))), "{rest:?}: {fault:?}");
    }
    for line in ["GET x HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/1.0", "G(T / HTTP/1.1"] {
        let (all, fault) = requests(format!("{line}\r\nHost: a.b\r\n\r\n").as_bytes());
        assert!(all.is_empty() && fault.is_some(), "{line:?}");
    }
    let (all, fault) = requests(format!("{head}Content-Length: 9\r\n\r\nab").as_bytes());
    assert_eq!((all.len(), fault), (0, Some(Fault::Incomplete)));
}
