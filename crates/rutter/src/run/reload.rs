//! A reload: the file is read again, and the difference takes effect.
//!
//! All of it or nothing, as far as the file goes: one mistake, and what ran goes on. What can't
//! change while the program runs is named and left; the rest is taken. What a reload left stays a
//! difference, so the next one names it again.

use anyhow::{Context, anyhow};
use rutter_book::BookHandle;
use rutter_overlay::{Install, OverlayConfig};
use rutter_rib::Policy;
use rutter_route::TableName;
use serde::{Deserialize, Serialize};

use super::{Running, apart};
use crate::config::diff::{Change, diff};
use crate::config::resolved::{Fabric, Monitors, Nodes, Providers};
use crate::config::{self, Config, tables};

/// What a reload did, or would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// Nothing was changed, since it was only asked.
    pub(crate) dry_run: bool,
    /// What differs.
    pub(crate) changes: Vec<Change>,
}

impl Running {
    /// Reads the file again.
    ///
    /// # Errors
    /// What is wrong with it; nothing was changed.
    pub(super) async fn reload(&mut self, dry_run: bool) -> anyhow::Result<Reloaded> {
        let origin = self.origin.as_ref().ok_or_else(|| {
            anyhow!("there is no file to read: this was started by options, not by `rutter run`")
        })?;
        let to = config::load(origin).map_err(|error| anyhow!("{error}"))?;
        to.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
        let changes = diff(&self.config, &to);
        if !dry_run {
            self.take(&to, &changes).await?;
        }
        Ok(Reloaded { dry_run, changes })
    }

    /// As on SIGHUP.
    pub(super) async fn reload_and_log(&mut self) {
        match self.reload(false).await {
            Ok(reloaded) if reloaded.changes.is_empty() => {
                tracing::info!("reloaded: nothing differs; certificates were read again");
            }
            Ok(reloaded) => {
                for change in reloaded.changes {
                    match change.needs_restart {
                        true => tracing::warn!("not reloaded: {change}"),
                        false => tracing::info!("reloaded: {change}"),
                    }
                }
            }
            Err(error) => tracing::error!("not reloaded, all goes on as before: {error:#}"),
        }
    }

    async fn take(&mut self, to: &Config, changes: &[Change]) -> anyhow::Result<()> {
        let next = self.mixed(to);
        // What can fail comes first.
        let tokens = match &self.controller {
            None => Some(apart::tokens(&next, self.dir.as_deref())?),
            Some(_) => None,
        };
        if let Some(certificates) = &self.certificates {
            certificates.read_again()?;
        }
        if let (Some(gateway), Some(certificates)) = (&self.gateway, &self.certificates) {
            gateway.reload(&next, certificates).context("the gateway")?;
        }
        if let (Some(overlay), Some(to)) = (&mut self.overlay, &next.overlay)
            && self.config.overlay.as_ref() != Some(to)
        {
            overlay.reload(to, self.dir.as_deref(), &self.stop).await.context("the overlay")?;
        }
        if let (Some(fabric), Some(dir)) = (&self.fabric, &self.dir)
            && (self.config.fabric != next.fabric || self.config.overlay != next.overlay)
        {
            // Behind the overlay, whose policy is in the same tables.
            fabric.reload(&next, dir).await.context("the fabric")?;
        }
        if let Some(controller) = &mut self.controller
            && self.config.providers != next.providers
        {
            controller.reload_providers(&next).await.context("the providers")?;
        }
        if let (Some(controller), Some(to)) = (&self.controller, &next.nodes)
            && self.config.nodes.as_ref() != Some(to)
        {
            controller.reload_nodes(to).await.context("the nodes")?;
        }
        if let Some(tokens) = tokens {
            self.tokens.set(tokens);
        }
        if self.config.log.level != next.log.level {
            self.logging.set_level(&next.log.level)?;
        }
        let touched = |name: &TableName| {
            let policy = format!("tables.{name}.policy.");
            changes.iter().any(|c| !c.needs_restart && c.path.starts_with(&policy))
        };
        for (name, table) in next.tables.iter().filter(|(name, _)| touched(name)) {
            let policy = table.policy.clone();
            if tables::is_gateways(name) {
                if let (Some(gateway), Ok(own)) = (&self.gateway, tables::SERVICES.parse()) {
                    set_policy(gateway.book(), own, policy).await?;
                }
            } else if let Some(controller) = &self.controller {
                set_policy(controller.book(), name.clone(), policy).await?;
            }
        }
        self.config = next;
        Ok(())
    }

    /// The configuration that holds after a reload: the new one, where it can be had without a
    /// restart.
    fn mixed(&self, to: &Config) -> Config {
        let mut next = self.config.clone();
        next.log.level.clone_from(&to.log.level);
        next.providers = Providers {
            monitors: Monitors {
                turns_at_once: next.providers.monitors.turns_at_once,
                at_once: next.providers.monitors.at_once,
                ..to.providers.monitors.clone()
            },
            ..to.providers.clone()
        };
        if let (Some(next), Some(to)) = (&mut next.gateway, &to.gateway) {
            next.acl = to.acl.clone();
            next.health = to.health.clone();
            next.outlier_detection = to.outlier_detection.clone();
            next.retry_budget = to.retry_budget.clone();
            next.limits.max_target_bytes = to.limits.max_target_bytes;
            next.limits.max_body_bytes = to.limits.max_body_bytes;
            next.limits.max_connections_per_client = to.limits.max_connections_per_client;
            next.limits.drain_delay = to.limits.drain_delay;
            next.upstream.max_tries = to.upstream.max_tries;
            next.upstream.response_timeout = to.upstream.response_timeout;
            next.upstream.try_timeout = to.upstream.try_timeout;
            next.upstream.slow_start = to.upstream.slow_start;
            next.upstream.timeout = to.upstream.timeout;
            next.tls.clone_from(&to.tls);
            next.trusted_proxies.clone_from(&to.trusted_proxies);
            next.read_token_file.clone_from(&to.read_token_file);
        }
        let https = (&mut next.listeners.gateway.https, &to.listeners.gateway.https);
        if let (Some(next), Some(to)) = https {
            next.tls = to.tls.clone();
        }
        if let (Some(next), Some(to)) = (&mut next.fabric, &to.fabric) {
            *next = mix_fabric(next, to);
        }
        if let (Some(next), Some(to)) = (&mut next.overlay, &to.overlay) {
            mix_overlay(&mut next.host, &to.host);
        }
        if let (Some(next), Some(to)) = (&mut next.nodes, &to.nodes) {
            *next = Nodes {
                prefixes: next.prefixes.clone(),
                keepalive: next.keepalive,
                dead: next.dead,
                ..to.clone()
            };
        }
        for (name, table) in &mut next.tables {
            if let Some(to) = to.tables.get(name) {
                table.policy = to.policy.clone();
            }
        }
        next
    }
}

/// Hands a policy to a table's owner. It was checked with the file, so it is taken; routes follow
/// it in slices, while the owner goes on with all else. What neighbours may tell of the table is the
/// fabric's to say, and counts at every moment.
async fn set_policy(book: &BookHandle, name: TableName, policy: Policy) -> anyhow::Result<()> {
    book.apply(move |book, now| {
        let policy = with_neighbours(policy, book.policy(&name));
        book.set_policy(now, &name, policy)
    })
    .await??;
    Ok(())
}

/// The policy with the rules of neighbours that stand.
fn with_neighbours(mut policy: Policy, standing: Option<&Policy>) -> Policy {
    let rules = standing.into_iter().flat_map(|standing| &standing.import_of);
    let of_neighbours = rules.filter(|(of, _)| of.starts_with("neighbour/"));
    policy.import_of.extend(of_neighbours.map(|(of, rules)| (of.clone(), rules.clone())));
    policy
}

/// What of a host of overlays can be had without a restart.
fn mix_overlay(next: &mut OverlayConfig, to: &OverlayConfig) {
    next.peers.clone_from(&to.peers);
    next.topology.clone_from(&to.topology);
    next.max_prefixes = to.max_prefixes;
    for (vni, next) in &mut next.overlays {
        let Some(to) = to.overlays.get(vni) else { continue };
        next.export.clone_from(&to.export);
        next.import.clone_from(&to.import);
        next.install = Install { table: next.install.table, ..to.install };
    }
}

/// What of a fabric can be had without a restart.
fn mix_fabric(now: &Fabric, to: &Fabric) -> Fabric {
    Fabric {
        listen: now.listen,
        gateway: now.gateway.clone(),
        tags: now.tags.clone(),
        scopes: now.scopes.clone(),
        links: now.links.clone(),
        signer: now.signer.clone(),
        max_restart: now.max_restart,
        forget: now.forget,
        ..to.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tables_own_policy_never_takes_the_neighbours_rules_away() {
        let policy = |of: &str| {
            let json =
                format!(r#"{{"import_of": {{"{of}": {{"default": "deny", "rules": []}}}}}}"#);
            serde_json::from_str::<Policy>(&json).unwrap()
        };
        let standing = policy("neighbour/b");
        let to = with_neighbours(policy("agent/x"), Some(&standing));
        assert_eq!(to.import_of.keys().collect::<Vec<_>>(), ["agent/x", "neighbour/b"]);
        assert_eq!(with_neighbours(policy("agent/x"), Some(&policy("agent/y"))), policy("agent/x"));
        assert_eq!(with_neighbours(policy("agent/x"), None), policy("agent/x"));
    }
}
