//! Domain names: the one label that a user claims, such as `alice` of `alice.nsl.sh`.
//!
//! One validator for every door. In the original the reserved names were asked for in one
//! endpoint and not in the one that assigns them, and `www` could be registered; here a
//! [`DomainName`] that is reserved can't be made, so no caller can forget to ask.
//!
//! A name has no hyphen because the gateway reads `app-alice` as the app `app` of `alice`.

use std::fmt;
use std::str::FromStr;

use rutter_route::ServiceName;
use serde::{Deserialize, Serialize};

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

/// A valid, unreserved name: 1 to 63 of `a-z` and `0-9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(String);

impl DomainName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The service name under the server's domain: `alice` and `nsl.sh` make `alice.nsl.sh`.
    ///
    /// # Errors
    /// When the two together are longer than a host name may be.
    pub fn under(&self, server_domain: &ServiceName) -> Result<ServiceName, rutter_route::ParseError> {
        format!("{}.{server_domain}", self.0).parse()
    }
}

impl FromStr for DomainName {
    type Err = NameError;

    /// Surrounding blanks are cut off, as the original does; case is not changed.
    fn from_str(text: &str) -> Result<Self, NameError> {
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
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for DomainName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<DomainName> for String {
    fn from(name: DomainName) -> Self {
        name.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
