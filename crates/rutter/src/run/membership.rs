//! A gateway's membership with a controller elsewhere: how it joins, and what it keeps of it.
//!
//! In the data directory stand `link-key.pem`, the gateway's key, made once; and `link.json`: where
//! the link is, whom to trust there, and what the gateway became. With both, a start needs nothing
//! of the controller. Without them it joins by its join line, and goes on trying: a controller that
//! is down when the gateway starts is no reason to end.
//!
//! Where the link is may change. So after an attempt that came to nothing the API is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use rutter_agent::JoinUrl;
use rutter_link::{CaPin, Dialer, Dials, LinkError, LinkKey, Remote};
use rutter_registry::{DataDir, read_private};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::client;

const KEY: &str = "link-key.pem";
const STATE: &str = "link.json";

/// How long the API may take to say where the link is.
const ASK: Duration = Duration::from_secs(5);

/// What a member keeps of its membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// `HOST:PORT` of the link.
    address: String,
    /// The pin of its CA.
    pin: String,
    /// The name that the controller gave.
    name: String,
    /// The CA's certificate, DER as hex.
    ca: String,
}

/// See the module's head.
pub(super) struct Membership {
    dir: Arc<DataDir>,
    join: JoinUrl,
    name: String,
    key: LinkKey,
    state: Mutex<Option<State>>,
    n_dialled: AtomicU32,
}

impl Membership {
    /// Reads what is kept; makes the key if there is none.
    ///
    /// # Errors
    /// Files that can't be read or written, or aren't what they should be.
    pub(super) fn open(dir: Arc<DataDir>, join: JoinUrl, name: String) -> anyhow::Result<Self> {
        let path = dir.file(KEY);
        let key = match read_private(&path)? {
            Some(pem) => LinkKey::from_pem(&String::from_utf8_lossy(&pem))
                .with_context(|| format!("{}", path.display()))?,
            None => {
                let key = LinkKey::generate()?;
                dir.write_private(KEY, key.to_pem().as_bytes())?;
                key
            }
        };
        let path = dir.file(STATE);
        let state = match read_private(&path)? {
            Some(json) => Some(serde_json::from_slice(&json).with_context(|| {
                format!("{} is damaged; without it the gateway joins again", path.display())
            })?),
            None => None,
        };
        let (state, n_dialled) = (Mutex::new(state), AtomicU32::new(0));
        Ok(Self { dir, join, name, key, state, n_dialled })
    }

    /// The controller's CA, once the gateway has joined.
    pub(super) async fn ca(&self) -> Option<Vec<u8>> {
        let state = self.state.lock().await;
        state.as_ref().and_then(|state| from_hex(&state.ca))
    }

    /// Joins if it hasn't, within a time; otherwise it is done while the gateway runs.
    pub(super) async fn join_soon(&self, within: Duration) {
        match tokio::time::timeout(within, self.dialer()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the gateway hasn't joined yet"),
            Err(_) => tracing::warn!("the gateway hasn't joined yet: no answer"),
        }
    }

    /// Where the link is, as the API says.
    async fn ask(&self) -> Result<Remote, LinkError> {
        let remote = self.join.controller.to_string();
        let why = |why: String| LinkError::Unreachable { remote: remote.clone(), why };
        let asked = tokio::time::timeout(ASK, client::link_of(&remote, self.join.pin)).await;
        let told = match asked {
            Ok(told) => told.map_err(|error| why(format!("{error:#}")))?,
            Err(_) => return Err(why("no answer in time".to_owned())),
        };
        // Whoever has a pin in the join line trusts that, whatever is said.
        let pin = self.join.pin.map_or_else(|| parse_pin(&told.pin), Ok)?;
        Ok(Remote { address: told.address, pin })
    }

    async fn enrolled(&self, remote: Remote) -> Result<State, LinkError> {
        let dialer = Dialer::new(remote.clone(), &self.key)?;
        let enrolled = dialer.enrol(self.join.token.reveal(), &self.name).await?;
        tracing::info!(name = enrolled.name, role = enrolled.role, "joined");
        Ok(State {
            address: remote.address,
            pin: remote.pin.to_string(),
            name: enrolled.name,
            ca: enrolled.ca.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    fn keep(&self, state: &State) {
        let json = serde_json::to_vec_pretty(state).unwrap_or_default();
        if let Err(error) = self.dir.write_private(STATE, &json) {
            tracing::error!(%error, "{STATE} isn't kept: the next start joins again");
        }
    }
}

#[async_trait]
impl Dials for Membership {
    async fn dialer(&self) -> Result<Dialer, LinkError> {
        let mut state = self.state.lock().await;
        let again = self.n_dialled.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        let now = match &*state {
            None => {
                let joined = self.enrolled(self.ask().await?).await?;
                self.keep(&joined);
                state.insert(joined)
            }
            Some(known) => {
                let mut known = known.clone();
                if again
                    && let Ok(found) = self.ask().await
                    && found.address != known.address
                {
                    tracing::info!(from = known.address, to = found.address, "the link has moved");
                    known.address = found.address;
                    self.keep(&known);
                }
                state.insert(known)
            }
        };
        let remote = Remote { address: now.address.clone(), pin: parse_pin(&now.pin)? };
        Dialer::new(remote, &self.key)
    }
}

fn parse_pin(text: &str) -> Result<CaPin, LinkError> {
    text.parse().map_err(|why: &str| LinkError::Tls(why.to_owned()))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
