//! Which names may be claimed: the one label a user has, such as `alice` of `alice.nsl.sh`.
//!
//! One validator for every door. In the original the reserved names were asked for in one
//! endpoint and not in the one that assigns them, and `www` could be registered. Here whoever
//! claims a name hands in text, and [`parse_name`] is the only way from text to a claim.
//!
//! A name has no hyphen because the gateway reads `app-alice` as the app `app` of `alice`.

use rutter_registry::DomainName;
use rutter_route::{ParseError, ServiceName};

/// The longest name, in bytes: a DNS label (RFC 1035 2.3.4).
pub const MAX_NAME_LEN: usize = 63;

/// Names that nobody may claim: they stand for the server's own pages.
pub const RESERVED: [&str; 3] = ["root", "app", "www"];

/// Why a text is not a name that may be claimed. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is there.
    #[error("a name is needed")]
    Blank,
    /// Something other than lower-case letters and digits.
    #[error("a name has only the letters a-z in lower case and digits")]
    Character,
    /// Over [`MAX_NAME_LEN`] bytes.
    #[error("a name has at most {MAX_NAME_LEN} characters")]
    TooLong,
    /// One of [`RESERVED`].
    #[error("the name is reserved")]
    Reserved,
}

/// The name that a text claims. Surrounding blanks are cut off, as the original does; case is not
/// changed.
///
/// # Errors
/// [`NameError`] says which rule it breaks; reserved names are refused last, so that every other
/// fault is named first.
pub fn parse_name(text: &str) -> Result<DomainName, NameError> {
    let name = text.trim();
    if name.is_empty() {
        return Err(NameError::Blank);
    }
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return Err(NameError::Character);
    }
    if name.len() > MAX_NAME_LEN {
        return Err(NameError::TooLong);
    }
    if RESERVED.contains(&name) {
        return Err(NameError::Reserved);
    }
    // The registry's rule is the same but for the reserved names.
    name.parse().map_err(|_| NameError::Character)
}

/// The service name under the server's domain: `alice` and `nsl.sh` make `alice.nsl.sh`.
///
/// # Errors
/// When the two together are longer than a host name may be.
pub fn service_name(name: &DomainName, domain: &ServiceName) -> Result<ServiceName, ParseError> {
    format!("{name}.{domain}").parse()
}

#[cfg(test)]
mod tests;
