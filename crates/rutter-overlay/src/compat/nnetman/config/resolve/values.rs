//! Single values.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use rutter_route::Prefix;

use super::Told;

/// A text that says something.
pub(super) fn text(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|text| !text.is_empty())
}

/// A number that says something.
pub(super) fn number(value: Option<i64>) -> Option<i64> {
    value.filter(|number| *number != 0)
}

/// Whether it is on.
pub(super) fn on(value: Option<bool>) -> bool {
    value.unwrap_or(false)
}

/// A list, which may have been left out.
pub(super) fn list<T>(value: &Option<Vec<T>>) -> &[T] {
    value.as_deref().unwrap_or_default()
}

/// A text as what it stands for; `None` after a problem.
pub(super) fn parsed<T>(to: &mut Told, path: &str, text: &str) -> Option<T>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| to.problem(path, error.to_string())).ok()
}

/// A number in a range; what stands for it if it was left out, or after a problem.
pub(super) fn in_range(
    to: &mut Told,
    path: &str,
    value: Option<i64>,
    (least, most): (u32, u32),
    default: u32,
) -> u32 {
    let Some(value) = number(value) else { return default };
    match u32::try_from(value) {
        Ok(number) if (least..=most).contains(&number) => number,
        _ => {
            to.problem(path, format!("expected {least} to {most}, found {value}"));
            default
        }
    }
}

/// One of some words; the first if it was left out, or after a problem.
pub(super) fn word<T: Copy>(
    to: &mut Told,
    path: &str,
    value: &Option<String>,
    first: (&str, T),
    others: &[(&str, T)],
) -> T {
    let Some(said) = text(value) else { return first.1 };
    let all = std::iter::once(&first).chain(others);
    if let Some((_, meaning)) = all.clone().find(|(word, _)| *word == said) {
        return *meaning;
    }
    let expected = all.map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    to.problem(path, format!("unknown word `{said}`, expected one of {expected}"));
    first.1
}

/// Networks; host bits are cleared, as the original reads them.
pub(super) fn networks(to: &mut Told, path: &str, value: &Option<Vec<String>>) -> Vec<Prefix> {
    let mut networks = Vec::new();
    for (n, text) in list(value).iter().enumerate() {
        let path = format!("{path}.{n}");
        match text.parse::<crate::InterfaceAddress>() {
            Ok(address) => networks.push(address.network()),
            Err(_) => to.problem(&path, format!("`{text}` is not a network, such as `10.0.0.0/8`")),
        }
    }
    networks
}

/// `ADDRESS:PORT` as Go listens at it, where an address that was left out means all.
pub(super) fn listen(to: &mut Told, path: &str, text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
        return Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    }
    let address = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    match address.as_deref().unwrap_or(text).parse() {
        Ok(address) => Some(address),
        Err(_) => {
            let message = format!("`{text}` is not `ADDRESS:PORT`, such as `127.0.0.1:9109`");
            to.problem(path, message);
            None
        }
    }
}
