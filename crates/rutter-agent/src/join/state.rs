//! The identity on disk: in the state directory `agent-NAME.key`, the agent's key, and
//! `agent-NAME.json`, what it became by it; of a node `node-NAME.key` and `node-NAME.json`.
//!
//! The key is made once and is there before a join token is spent for it, so an answer that gets
//! lost loses nothing. Both files are private from their first byte (mode 0600), and written whole
//! or not at all: a new file beside it, synced, renamed over it, the directory synced. Files per
//! name, so that two agents of one host can share a directory.
//!
//! The JSON has two forms. Form 1 is of an agent that joined over HTTP: it holds an agent token and
//! no link. It is read, and stays until the key has joined by that token; then form 2 replaces it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rutter_link::LinkKey;
use rutter_route::ServiceName;
use serde::{Deserialize, Serialize};

use super::config::JoinUrl;
use crate::membership::{Joined, Keeps};
use crate::{AgentError, Secret};

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// The form of the file that is written.
const VERSION: u32 = 2;

/// Who this agent is at its controller.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// How it is known there.
    pub(crate) by: By,
    /// The fingerprint of the join token that was spent.
    pub(crate) spent: String,
}

/// How an agent is known.
#[derive(Debug, Clone)]
pub(crate) enum By {
    /// By its key.
    Key(Joined),
    /// By a token, over HTTP.
    Token(HttpIdentity),
}

/// Who an agent is that joined over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct HttpIdentity {
    pub(crate) agent_token: Secret,
    /// Whether the controller saw us over loopback when we joined.
    pub(crate) loopback: bool,
    /// This host as the controller saw it then.
    pub(crate) seen: Option<IpAddr>,
}

/// What of the file says how to read the rest.
#[derive(Deserialize)]
struct Form {
    version: u32,
}

/// Form 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredToken {
    #[serde(rename = "version")]
    _version: u32,
    controller: String,
    #[serde(default)]
    pin: Option<String>,
    #[serde(rename = "user_id")]
    _user_id: String,
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "domain")]
    _domain: String,
    agent_token: String,
    loopback: bool,
    #[serde(default)]
    seen: Option<IpAddr>,
    spent: String,
}

/// Form 2.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    version: u32,
    controller: String,
    #[serde(default)]
    pin: Option<String>,
    link: Joined,
    spent: String,
}

/// Where one agent's identity is kept.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    directory: PathBuf,
    path: PathBuf,
    key: PathBuf,
}

/// Where the identity at one controller is kept.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) file: StateFile,
    pub(crate) url: JoinUrl,
    /// The fingerprint of the join token that it was, or is, got by.
    pub(crate) spent: String,
}

impl Keeps for Keeper {
    fn keep(&self, joined: &Joined) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.file.save(&self.url, joined, &self.spent)?;
        tracing::info!(path = %self.file.path().display(), "the identity is stored");
        Ok(())
    }
}

impl StateFile {
    /// Of an `agent` or a `node` of that name.
    pub(crate) fn new(directory: &Path, of: &str, name: &ServiceName) -> Self {
        let path = directory.join(format!("{of}-{name}.json"));
        let key = directory.join(format!("{of}-{name}.key"));
        Self { directory: directory.to_owned(), path, key }
    }

    /// The file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The agent's key, made if there is none; so a directory that can't be written is found
    /// before a token is spent.
    pub(crate) fn key(&self) -> Result<LinkKey, AgentError> {
        if let Some(pem) = self.read(&self.key)? {
            let damaged = |error: &dyn std::fmt::Display| AgentError::StateDamaged {
                path: self.key.clone(),
                why: error.to_string(),
            };
            let pem = String::from_utf8(pem).map_err(|_| damaged(&"it isn't text"))?;
            return LinkKey::from_pem(&pem).map_err(|error| damaged(&error));
        }
        let made = LinkKey::generate().map_err(|error| AgentError::Tls(error.to_string()))?;
        let directory = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        directory.map_err(|e| self.error("write", &self.key, e))?;
        self.write(&self.key, made.to_pem().as_bytes())?;
        Ok(made)
    }

    /// Holds the identity for this process, by a lock on the key that the kernel drops with the
    /// file: two processes with one key would take the session from each other. There is a key.
    ///
    /// # Errors
    /// [`AgentError::InUse`], which passes when the other ends, as in a hand-over.
    pub(crate) fn hold(&self) -> Result<File, AgentError> {
        let file = File::open(&self.key).map_err(|e| self.error("read", &self.key, e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(AgentError::InUse { path: self.key.clone() }),
            Err(TryLockError::Error(e)) => Err(self.error("lock", &self.key, e)),
        }
    }

    /// Reads the identity at the controller of `url`; `None` if there is none. A file of another
    /// controller counts as none, and its token is not sent to this one: with a pin a controller
    /// is known by its CA, otherwise by its URL.
    pub(crate) fn load(&self, url: &JoinUrl) -> Result<Option<Identity>, AgentError> {
        let Some(text) = self.read(&self.path)? else { return Ok(None) };
        let form: Form = self.parse(&text)?;
        let (controller, pin, identity) = match form.version {
            1 => {
                let stored: StoredToken = self.parse(&text)?;
                let same_url = stored.controller == url.controller.to_string();
                let http = HttpIdentity {
                    agent_token: Secret::new(stored.agent_token),
                    // How another URL of the same controller is reached wasn't seen yet.
                    loopback: if same_url { stored.loopback } else { url.controller.is_loopback() },
                    seen: stored.seen.filter(|_| same_url),
                };
                let identity = Identity { by: By::Token(http), spent: stored.spent };
                (stored.controller, stored.pin, identity)
            }
            VERSION => {
                let stored: StoredKey = self.parse(&text)?;
                let identity = Identity { by: By::Key(stored.link), spent: stored.spent };
                (stored.controller, stored.pin, identity)
            }
            other => return Err(self.damaged(format!("form {other}, known is {VERSION}"))),
        };
        let wanted = url.pin.map(|pin| pin.to_string());
        if pin != wanted || (wanted.is_none() && controller != url.controller.to_string()) {
            tracing::info!(path = %self.path.display(), "the state file is of another controller");
            return Ok(None);
        }
        Ok(Some(identity))
    }

    /// Writes the identity, whole or not at all.
    pub(crate) fn save(
        &self,
        url: &JoinUrl,
        joined: &Joined,
        spent: &str,
    ) -> Result<(), AgentError> {
        let stored = StoredKey {
            version: VERSION,
            controller: url.controller.to_string(),
            pin: url.pin.map(|pin| pin.to_string()),
            link: joined.clone(),
            spent: spent.to_owned(),
        };
        let json = serde_json::to_vec_pretty(&stored);
        let json = json.map_err(|e| self.error("write", &self.path, e.into()))?;
        self.write(&self.path, &json)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, AgentError> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(file) => {
                let error = |e| self.error("read", path, e);
                let mode = file.metadata().map_err(error)?.permissions().mode();
                if mode & 0o077 != 0 {
                    let path = path.display();
                    tracing::warn!(%path, "others can read the agent's secret: chmod 600 the file");
                }
                file.take(MAX_FILE).read_to_end(&mut bytes).map_err(error)?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error("read", path, error)),
        }
    }

    fn parse<'a, T: Deserialize<'a>>(&self, text: &'a [u8]) -> Result<T, AgentError> {
        serde_json::from_slice(text).map_err(|e| {
            // serde's text may repeat a value, and one of them is the token.
            self.damaged(format!("line {} column {}", e.line(), e.column()))
        })
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), AgentError> {
        self.replace(path, bytes).map_err(|e| self.error("write", path, e))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let beside = beside(path);
        let mut file = create_private(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(&self.directory)?.sync_all()
    }

    fn error(&self, doing: &'static str, path: &Path, source: io::Error) -> AgentError {
        AgentError::State { doing, path: path.to_owned(), source }
    }

    fn damaged(&self, why: String) -> AgentError {
        AgentError::StateDamaged { path: self.path.clone(), why }
    }
}

/// Runs file work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AgentError> + Send + 'static,
) -> Result<T, AgentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // A blocking task that runs is never cancelled; one that hasn't begun is only when
            // the runtime ends, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    name.into()
}

/// A new file that only its owner can read; what an earlier crash left under that name goes.
fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests;
