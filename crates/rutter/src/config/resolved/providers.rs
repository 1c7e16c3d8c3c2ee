//! Where routes come from beside agents and people.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rutter_providers::{HealthSettings, Retries};
use serde::{Serialize, Serializer};

use crate::config::Period;

/// Where routes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Providers {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) env_file: Option<PathBuf>,
    pub(crate) docker: BTreeMap<String, DockerEngine>,
    pub(crate) proxmox: Vec<ProxmoxCluster>,
    pub(crate) monitors: Monitors,
}

/// A container engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DockerEngine {
    pub(crate) url: String,
    pub(crate) explicit_only: bool,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
}

/// A Proxmox cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProxmoxCluster {
    pub(crate) url: String,
    pub(crate) login: ProxmoxLogin,
    pub(crate) no_tls_verify: bool,
}

/// Who asks a Proxmox cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProxmoxLogin {
    /// A token.
    Token { id: String, secret: Secret },
    /// A user.
    Password { user: String, realm: String, password: Secret },
}

/// Something that is never shown: where it is written, it stands as `***`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(secret: String) -> Self {
        Self(secret)
    }

    /// What it is, for whom it is meant.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("***")
    }
}

/// How routes are probed that say nothing of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Monitors {
    pub(crate) interval: Period,
    pub(crate) timeout: Period,
    pub(crate) path: String,
    pub(crate) use_get: bool,
    pub(crate) retries: u32,
    pub(crate) disable: bool,
    pub(crate) turns_at_once: bool,
    pub(crate) at_once: usize,
}

impl Monitors {
    /// The settings of a route that says nothing.
    pub(crate) fn health(&self) -> HealthSettings {
        HealthSettings {
            is_disabled: self.disable,
            use_get: self.use_get,
            path: self.path.clone(),
            interval: self.interval.into(),
            timeout: self.timeout.into(),
            retries: match self.retries {
                0 => Retries::Auto,
                n => Retries::After(n),
            },
        }
    }
}
