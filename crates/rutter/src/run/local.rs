//! What a running process leaves in its data directory for the command line: where its API is,
//! and a token.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use rutter_book::{Clock, SystemClock};
use rutter_controller::{Controller, NewApiToken};
use rutter_registry::{DataDir, Scope, Scopes, TokenKind, TokenSecret, read_private};
use serde::{Deserialize, Serialize};

use super::apis::{Served, url};
use super::certificates::{Certificates, Own};
use super::gateway::GatewayRole;
use crate::config::Config;

const RUN: &str = "run.json";
const TOKEN: &str = "admin.token";
const LOCK: &str = "lock";

/// The file `run.json`: there while the process runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// Which process.
    pub(crate) pid: u32,
    /// Which program.
    pub(crate) version: String,
    /// Its data directory.
    pub(crate) data: String,
    /// The domain of its names.
    pub(crate) domain: String,
    /// The API, as this machine reaches it.
    pub(crate) api: Option<String>,
    /// Where `rutter.v1` is spoken.
    #[serde(default)]
    pub(crate) link: Option<String>,
    /// What a join line begins with.
    pub(crate) join: Option<String>,
    /// The pin of a join line, where TLS is by the own CA.
    pub(crate) pin: Option<String>,
    /// The gateway's listeners.
    pub(crate) gateway: Vec<String>,
    /// Mesh Router's API.
    pub(crate) mesh_router: Option<String>,
    /// MPREG's monitoring endpoints.
    #[serde(default)]
    pub(crate) mpreg: Option<String>,
    /// The certificate of the controller's CA, PEM.
    pub(crate) ca: String,
}

/// A token that was there, or is new.
pub(crate) struct AdminToken {
    pub(crate) secret: String,
    pub(crate) is_new: bool,
}

impl RunFile {
    pub(super) fn new(
        config: &Config,
        served: &Served,
        gateway: Option<&GatewayRole>,
        certificates: &Certificates,
    ) -> Self {
        let local = |(address, tls): (SocketAddr, bool)| url(address, tls);
        let gateway = gateway.map(|gateway| gateway.addresses(config)).unwrap_or_default();
        Self {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data: config.data.as_ref().map(|data| data.display().to_string()).unwrap_or_default(),
            domain: config.domain.to_string(),
            api: served.api.clone(),
            link: served.link.map(|address| address.to_string()),
            join: served.join.clone(),
            pin: served.pin.map(|pin| pin.to_string()),
            gateway: gateway.into_iter().map(local).collect(),
            mesh_router: served.mesh_router.map(local),
            mpreg: served.mpreg.map(local),
            ca: certificates.own().map(Own::ca_pem).unwrap_or_default(),
        }
    }

    pub(super) fn write(&self, dir: &DataDir) -> anyhow::Result<()> {
        Ok(dir.write_private(RUN, &serde_json::to_vec_pretty(self)?)?)
    }

    pub(super) fn remove(dir: &DataDir) {
        if let Err(error) = std::fs::remove_file(dir.file(RUN)) {
            tracing::debug!(%error, "{RUN}");
        }
    }
}

/// The token of the local command: the one in the file while it opens something, else a new one.
pub(super) async fn admin_token(
    dir: &DataDir,
    controller: &Controller,
) -> anyhow::Result<AdminToken> {
    let now = SystemClock.now();
    if let Some(stored) = read_private(&dir.file(TOKEN))? {
        let secret = String::from_utf8_lossy(&stored).trim().to_owned();
        match controller.authenticate(now, &secret).await {
            Ok(_) => return Ok(AdminToken { secret, is_new: false }),
            Err(rutter_controller::Error::Token(why)) => {
                tracing::info!(%why, "the token in {TOKEN} opens nothing: making another");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let new = NewApiToken {
        name: "local command".to_owned(),
        scopes: Scopes::of(&[Scope::Admin]),
        ttl: None,
    };
    let made = controller.create_token(now, new, "the start").await?;
    let secret = made.secret.reveal().to_owned();
    dir.write_private(TOKEN, format!("{secret}\n").as_bytes())?;
    Ok(AdminToken { secret, is_new: true })
}

/// The token of the local command where no registry knows tokens: the one in the file, else a new one.
pub(super) fn own_token(dir: &DataDir) -> anyhow::Result<TokenSecret> {
    if let Some(stored) = read_private(&dir.file(TOKEN))? {
        let secret = String::from_utf8_lossy(&stored).trim().to_owned();
        // Whatever else stands there, such as half a line after a crash, is no token.
        if secret.len() > TokenSecret::RANDOM_BYTES && secret.starts_with(TokenKind::Api.prefix()) {
            return Ok(TokenSecret::presented(&secret));
        }
    }
    let secret = TokenSecret::generate(TokenKind::Api)?;
    dir.write_private(TOKEN, format!("{}\n", secret.reveal()).as_bytes())?;
    Ok(secret)
}

/// A process that runs on this machine, as its data directory tells of it.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    pub(crate) run: RunFile,
    pub(crate) token: String,
}

impl Local {
    /// The process that holds a data directory; `None` if none does.
    ///
    /// # Errors
    /// Files that this user may not read.
    pub(crate) fn find(data: &Path) -> anyhow::Result<Option<Self>> {
        if !is_held(data)? {
            return Ok(None);
        }
        let Some(run) = read_private(&data.join(RUN))? else { return Ok(None) };
        let run = serde_json::from_slice(&run)
            .with_context(|| format!("{} is damaged", data.join(RUN).display()))?;
        let token = read_private(&data.join(TOKEN))?.unwrap_or_default();
        let token = String::from_utf8_lossy(&token).trim().to_owned();
        Ok(Some(Self { run, token }))
    }
}

/// Whether a process holds the directory: after a crash the files are still there, the lock isn't.
pub(crate) fn is_held(data: &Path) -> anyhow::Result<bool> {
    let path = data.join(LOCK);
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("{}: run as the user whose data it is", path.display()));
        }
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
