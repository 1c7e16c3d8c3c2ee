//! The identity on disk: `agent-NAME.json` in the state directory.
//!
//! It holds the agent token, so it is made with mode 0600 from its first byte; and a join token is
//! spent for it, so it is written whole or not at all: a new file beside it, synced, renamed over
//! it, the directory synced. A file per name, so that two agents of one host can share a
//! directory.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rutter_route::ServiceName;
use serde::{Deserialize, Serialize};

use super::config::JoinUrl;
use crate::{AgentError, Secret};

/// The longest state file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// The form of the file.
const VERSION: u32 = 1;

/// Who this agent is at its controller.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) user_id: String,
    pub(super) name: String,
    pub(super) domain: String,
    pub(super) agent_token: Secret,
    /// Whether the controller saw us over loopback when we joined.
    pub(super) loopback: bool,
    /// This host as the controller saw it then.
    pub(super) seen: Option<IpAddr>,
    /// The fingerprint of the join token that was spent.
    pub(super) spent: String,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    controller: String,
    #[serde(default)]
    pin: Option<String>,
    user_id: String,
    name: String,
    domain: String,
    agent_token: String,
    loopback: bool,
    #[serde(default)]
    seen: Option<IpAddr>,
    spent: String,
}

/// Where one agent's identity is kept.
#[derive(Debug, Clone)]
pub(super) struct StateFile {
    directory: PathBuf,
    path: PathBuf,
}

impl StateFile {
    pub(super) fn new(directory: &Path, name: &ServiceName) -> Self {
        let path = directory.join(format!("agent-{name}.json"));
        Self { directory: directory.to_owned(), path }
    }

    /// The file, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the identity at the controller of `url`; `None` if there is none. A file of another
    /// controller counts as none, and its token is not sent to this one: with a pin a controller
    /// is known by its CA, otherwise by its URL.
    pub(super) fn load(&self, url: &JoinUrl) -> Result<Option<Identity>, AgentError> {
        let mut text = Vec::new();
        match File::open(&self.path) {
            Ok(file) => {
                self.warn_of_readers(&file)?;
                let mut bounded = file.take(MAX_FILE);
                bounded.read_to_end(&mut text).map_err(|e| self.error("read", e))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.error("read", error)),
        };
        let stored: Stored = serde_json::from_slice(&text).map_err(|e| {
            // serde's text may repeat a value, and one of them is the token.
            self.damaged(format!("line {} column {}", e.line(), e.column()))
        })?;
        if stored.version != VERSION {
            return Err(self.damaged(format!("form {}, known is {VERSION}", stored.version)));
        }
        let pin = url.pin.map(|pin| pin.to_string());
        let same_url = stored.controller == url.controller.to_string();
        if stored.pin != pin || (pin.is_none() && !same_url) {
            tracing::info!(path = %self.path.display(), "the state file is of another controller");
            return Ok(None);
        }
        Ok(Some(Identity {
            user_id: stored.user_id,
            name: stored.name,
            domain: stored.domain,
            agent_token: Secret::new(stored.agent_token),
            // How another URL of the same controller is reached wasn't seen yet.
            loopback: if same_url { stored.loopback } else { url.controller.is_loopback() },
            seen: stored.seen.filter(|_| same_url),
            spent: stored.spent,
        }))
    }

    /// Makes sure that [`StateFile::save`] can work, before a token is spent for what it saves.
    pub(super) fn prepare(&self) -> Result<(), AgentError> {
        let error = |e| self.error("write", e);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(error)?;
        let probe = self.beside();
        drop(create_private(&probe).map_err(error)?);
        fs::remove_file(&probe).map_err(error)
    }

    /// Writes the identity, whole or not at all.
    pub(super) fn save(&self, url: &JoinUrl, identity: &Identity) -> Result<(), AgentError> {
        let stored = Stored {
            version: VERSION,
            controller: url.controller.to_string(),
            pin: url.pin.map(|pin| pin.to_string()),
            user_id: identity.user_id.clone(),
            name: identity.name.clone(),
            domain: identity.domain.clone(),
            agent_token: identity.agent_token.reveal().to_owned(),
            loopback: identity.loopback,
            seen: identity.seen,
            spent: identity.spent.clone(),
        };
        self.replace(&stored).map_err(|e| self.error("write", e))
    }

    fn replace(&self, stored: &Stored) -> io::Result<()> {
        let beside = self.beside();
        let mut file = create_private(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(stored)?)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        File::open(&self.directory)?.sync_all()
    }

    fn beside(&self) -> PathBuf {
        self.path.with_extension(format!("json.{}.new", std::process::id()))
    }

    fn warn_of_readers(&self, file: &File) -> Result<(), AgentError> {
        let mode = file.metadata().map_err(|e| self.error("read", e))?.permissions().mode();
        if mode & 0o077 != 0 {
            let path = self.path.display();
            tracing::warn!(%path, "others can read the agent's token: chmod 600 the state file");
        }
        Ok(())
    }

    fn error(&self, doing: &'static str, source: io::Error) -> AgentError {
        AgentError::State { doing, path: self.path.clone(), source }
    }

    fn damaged(&self, why: String) -> AgentError {
        AgentError::StateDamaged { path: self.path.clone(), why }
    }
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
