//! What `--join` and its companions say.

use std::path::PathBuf;
use std::str::FromStr;

use rutter_route::{HostName, ServiceName};
use sha2::{Digest, Sha256};

use crate::{AgentError, BaseUrl, CaPin, Secret, ServiceSpec};

/// How a join token begins.
const TOKEN_PREFIX: &str = "rtj_";
/// The longest join token, in bytes.
const MAX_TOKEN: usize = 512;

/// `http(s)://HOST:PORT#rtj_TOKEN[.PIN]`: where the controller is, the token to join with, and
/// perhaps the CA to trust. Without a token, `https://HOST:PORT[#.PIN]`, whoever joins is let in by a
/// person, which is for nodes. `Debug` shows no token, and there is no `Display`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinUrl {
    /// The controller.
    pub controller: BaseUrl,
    /// The token; `None`: a person lets in who joins.
    pub token: Option<Secret>,
    /// The only CA to trust; `None`: the system's.
    pub pin: Option<CaPin>,
}

/// An agent that joins.
#[derive(Debug, Clone)]
pub struct JoinConfig {
    /// Where and with what.
    pub url: JoinUrl,
    /// The name to ask for, such as `alice`.
    pub name: ServiceName,
    /// What to register.
    pub services: Vec<ServiceSpec>,
    /// The address to register, where neither the service's own nor STUN's is right.
    pub address: Option<HostName>,
    /// Where the identity is kept; made, mode 0700, if it isn't there.
    pub state_dir: PathBuf,
}

impl FromStr for JoinUrl {
    type Err = AgentError;

    fn from_str(text: &str) -> Result<Self, AgentError> {
        let error = |why| AgentError::JoinUrl { why };
        let (url, fragment) = text.trim().split_once('#').unwrap_or((text.trim(), ""));
        let controller = BaseUrl::parse(url).map_err(error)?;
        let (token, pin) = match fragment.split_once('.') {
            Some((token, pin)) => (token, Some(pin.parse().map_err(error)?)),
            None => (fragment, None),
        };
        if !token.is_empty() {
            check_token(token).map_err(error)?;
        }
        if pin.is_some() && !controller.is_https() {
            return Err(error("a token with a pin is for https, which checks it"));
        }
        let token = (!token.is_empty()).then(|| Secret::new(token));
        Ok(Self { controller, token, pin })
    }
}

/// Whether that is a token, or what is wrong with it.
fn check_token(token: &str) -> Result<(), &'static str> {
    let secret = token.strip_prefix(TOKEN_PREFIX).ok_or("a join token begins with `rtj_`")?;
    let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if secret.is_empty() || token.len() > MAX_TOKEN || !secret.bytes().all(base64url) {
        return Err("after `rtj_` come letters, digits, `-` and `_`");
    }
    Ok(())
}

impl JoinUrl {
    /// The same, if it has a token: all but nodes need one.
    ///
    /// # Errors
    /// It has none.
    pub fn with_token(self) -> Result<Self, AgentError> {
        match self.token {
            Some(_) => Ok(self),
            None => Err(AgentError::JoinUrl { why: "the `#TOKEN` is missing" }),
        }
    }

    /// The same without its token: whoever joins by it asks a person.
    #[must_use]
    pub fn without_token(self) -> Self {
        Self { token: None, ..self }
    }

    /// The SHA-256 of the token, by which the state file remembers which one was spent.
    pub(crate) fn fingerprint(&self) -> String {
        let token = self.token.as_ref().map_or("", Secret::reveal);
        let digest = Sha256::digest(token.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
