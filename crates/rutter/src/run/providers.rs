//! The providers of a controller: files, container engines, Proxmox, and who watches their routes.
//!
//! ```text
//!  files (+ proxmox) ─┐
//!  engines ───────────┼─▶ catalogue ─▶ table `services` of the controller's book
//!  registry ──────────┘      ▲
//!                            └── monitors
//! ```
//!
//! The catalogue is there with every controller, as the registry that handlers and the API look at
//! is; what it is told comes from the configuration. A reload keeps the catalogue and its routes:
//! sources that end and begin anew say what they said, which is no change, and those that stand in
//! the configuration no more are gone. What can fail is done before anything is stopped.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rutter_book::BookHandle;
use rutter_providers::catalogue::{Catalogue, ProviderInfo, Watching};
use rutter_providers::docker::{DockerProvider, Endpoint, TlsFiles};
use rutter_providers::files::{Files, FilesConfig, RouteFile, Variables};
use rutter_providers::godoxy::Settings;
use rutter_providers::godoxy::config::{DotEnv, ProxmoxAt, ProxmoxLogin};
use rutter_providers::monitor::{MonitorSettings, Monitors};
use rutter_providers::proxmox::Proxmox;
use rutter_providers::registry::ProviderState;
use rutter_providers::{Enriches, ProviderId, ProviderKind};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::controller::seed;
use crate::config::{Config, file_name, resolved, tables};

/// How long a start waits for engines to say what they have; one that is silent is waited for
/// while the gateway serves.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where old providers go while new ones take their places, so that no two have one.
const ASIDE: u32 = 1 << 30;

/// The providers, running.
pub(crate) struct Providers {
    catalogue: Catalogue,
    monitors: Monitors,
    files: Files,
    /// Those of the configuration, in their order.
    begun: Vec<ProviderId>,
    /// Ends all of it.
    stop: CancellationToken,
    /// Ends the sources, and not the catalogue.
    stop_sources: CancellationToken,
    engines: TaskTracker,
}

/// What a configuration asks for, checked as far as it can be before anything is stopped.
struct Prepared {
    files: FilesConfig,
    engines: Vec<(ProviderInfo, DockerProvider)>,
    stop: CancellationToken,
}

impl Providers {
    /// Starts them over a book, and returns when each has said what it has, or can't be asked.
    ///
    /// # Errors
    /// Something in the configuration that can't be; the book is closed.
    pub(super) async fn start(config: &Config, book: &BookHandle) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let own = &config.providers.monitors;
        let settings = MonitorSettings {
            at_once: own.at_once,
            turns_at_once: own.turns_at_once,
            seed: seed(),
        };
        let (monitors, turned) = Monitors::start(settings, stop.clone());
        let watching = Watching { monitors: monitors.clone(), turned };
        let table = tables::SERVICES.parse()?;
        let catalogue = Catalogue::start(book.clone(), table, Some(watching), stop.clone()).await?;
        let prepared = Prepared::of(config, &stop).await?;
        let engines = TaskTracker::new();
        let stop_sources = prepared.stop.clone();
        let begun = prepared.ids();
        let files = prepared.begin(&catalogue, &monitors, &engines).await?;
        let stop = guard.disarm();
        let providers = Self { catalogue, monitors, files, begun, stop, stop_sources, engines };
        providers.loaded().await;
        Ok(providers)
    }

    /// Runs by another configuration from now on.
    ///
    /// # Errors
    /// As [`Providers::start`]; then all goes on as before, unless the book is closed.
    pub(super) async fn reload(&mut self, config: &Config) -> anyhow::Result<()> {
        let prepared = Prepared::of(config, &self.stop).await?;
        self.stop_sources.cancel();
        self.engines.close();
        self.engines.wait().await;
        let now = prepared.ids();
        let kept: BTreeSet<&ProviderId> = now.iter().collect();
        // The last first, so that their order stays what it is meanwhile.
        for (n, id) in self.begun.iter().enumerate().rev() {
            match kept.contains(id) {
                true => {
                    let order = ASIDE.saturating_add(u32::try_from(n).unwrap_or(ASIDE));
                    self.catalogue.begin(ProviderInfo { id: id.clone(), order }).await?;
                }
                false => self.catalogue.gone(id).await?,
            }
        }
        self.engines = TaskTracker::new();
        self.stop_sources = prepared.stop.clone();
        self.begun = now;
        self.files = prepared.begin(&self.catalogue, &self.monitors, &self.engines).await?;
        Ok(())
    }

    /// Waits until each file was read once, and each engine was heard or given up for now.
    async fn loaded(&self) {
        self.files.loaded().await;
        let heard = async {
            let mut look = interval(Duration::from_millis(20));
            while self.catalogue.registry().providers().iter().any(|provider| {
                provider.state == ProviderState::NotYet && self.begun.contains(&provider.id)
            }) {
                look.tick().await;
            }
        };
        if timeout(PATIENCE, heard).await.is_err() {
            tracing::warn!("a provider hasn't said what it has; the others are served meanwhile");
        }
    }

    /// For the surfaces that show them.
    pub(super) fn services(&self) -> rutter_api::Services {
        let registry = self.catalogue.registry().clone();
        rutter_api::Services { registry, monitors: self.monitors.clone() }
    }

    /// Ends them; what was said stands until the book ends.
    pub(super) async fn shutdown(self) {
        self.stop.cancel();
        self.engines.close();
        self.engines.wait().await;
    }
}

impl Prepared {
    async fn of(config: &Config, stop: &CancellationToken) -> anyhow::Result<Self> {
        let providers = &config.providers;
        let stop = stop.child_token();
        let guard = stop.clone().drop_guard();
        let variables = variables(providers.env_file.as_deref())?;
        let settings = settings(config);
        let mut engines = Vec::new();
        let (mut files, mut order) = (Vec::new(), 0..);
        let mut info = |kind, name: &str| -> anyhow::Result<ProviderInfo> {
            let order = order.next().context("there are too many providers")?;
            Ok(ProviderInfo { id: ProviderId::new(kind, name)?, order })
        };
        for path in &providers.files {
            let name = file_name(path).context("a file of routes has a name")?;
            let path = std::path::absolute(path)?;
            files.push(RouteFile { provider: info(ProviderKind::File, name)?, path });
        }
        for (name, engine) in &providers.docker {
            let provider = info(ProviderKind::Docker, name)?;
            let at =
                endpoint(engine, &variables).with_context(|| format!("providers.docker.{name}"))?;
            engines.push((
                provider.clone(),
                DockerProvider {
                    id: provider.id,
                    endpoint: at,
                    is_explicit_only: engine.explicit_only,
                    settings: settings.clone(),
                },
            ));
        }
        let clusters: Vec<_> = providers.proxmox.iter().map(cluster).collect();
        let enriches = match clusters.is_empty() {
            true => None,
            false => {
                let reserved = settings.reserved_ports.clone();
                let proxmox = Proxmox::start(clusters, reserved, stop.clone()).await;
                Some(proxmox.context("providers.proxmox")? as Arc<dyn Enriches>)
            }
        };
        let settings = Settings { are_files_enriched: enriches.is_some(), ..settings };
        let files = FilesConfig { files, settings, variables, enriches };
        Ok(Self { files, engines, stop: guard.disarm() })
    }

    fn ids(&self) -> Vec<ProviderId> {
        let files = self.files.files.iter().map(|file| &file.provider.id);
        files.chain(self.engines.iter().map(|(info, _)| &info.id)).cloned().collect()
    }

    async fn begin(
        self,
        catalogue: &Catalogue,
        monitors: &Monitors,
        engines: &TaskTracker,
    ) -> anyhow::Result<Files> {
        let files = Files::start(self.files, catalogue.clone(), self.stop.clone()).await?;
        for (info, engine) in self.engines {
            catalogue.begin(info).await?;
            engines.spawn(engine.run(catalogue.clone(), monitors.clone(), self.stop.clone()));
        }
        Ok(files)
    }
}

/// What files' variables are: what this process was started with, then what a file says.
fn variables(env_file: Option<&Path>) -> anyhow::Result<Variables> {
    let env = match env_file {
        Some(path) => DotEnv::parse(&rutter_yaml::read(path)?),
        None => DotEnv::default(),
    };
    Ok(Arc::new(move |name| std::env::var(name).ok().or_else(|| env.get(name))))
}

/// What holds for all routes.
fn settings(config: &Config) -> Settings {
    let gateway = config.gateway.as_ref();
    Settings {
        health: config.providers.monitors.health(),
        // A listener on any free port isn't known, and nobody writes its port in a file.
        reserved_ports: config
            .listeners
            .all()
            .map(|(_, listener)| listener.address.port())
            .filter(|port| *port != 0)
            .collect(),
        are_files_enriched: false,
        inbound_mtls_profiles: gateway
            .map(|gateway| gateway.inbound_mtls_profiles.keys().cloned().collect())
            .unwrap_or_default(),
        has_global_mtls: gateway.is_some_and(|gateway| gateway.inbound_mtls_profile.is_some()),
    }
}

fn endpoint(engine: &resolved::DockerEngine, variables: &Variables) -> anyhow::Result<Endpoint> {
    let resolved::DockerEngine { ca_file, cert_file, key_file, .. } = engine.clone();
    let has_files = ca_file.is_some() || cert_file.is_some() || key_file.is_some();
    let tls = has_files.then(|| TlsFiles::new(ca_file, cert_file, key_file)).transpose()?;
    Ok(Endpoint::parse(&engine.url, tls, |name| variables(name))?)
}

fn cluster(cluster: &resolved::ProxmoxCluster) -> ProxmoxAt {
    let login = match &cluster.login {
        resolved::ProxmoxLogin::Token { id, secret } => {
            ProxmoxLogin::Token { id: id.clone(), secret: secret.reveal().to_owned() }
        }
        resolved::ProxmoxLogin::Password { user, realm, password } => ProxmoxLogin::Password {
            user: user.clone(),
            realm: realm.clone(),
            password: password.reveal().to_owned(),
        },
    };
    ProxmoxAt { url: cluster.url.clone(), login, no_tls_verify: cluster.no_tls_verify }
}
