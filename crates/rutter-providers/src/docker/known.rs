//! What is known of an engine's containers, put together from listings of all and of some.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::godoxy::{Container, Engine, Settings, read_container};
use crate::monitor::Seen;
use crate::registry::EntryKey;
use crate::{ContainerId, ProviderId, Reading, Route};

use super::DockerError;
use super::batch::Whose;

/// The most containers of an engine that are taken. A listing with more has failed: what it said
/// before stands.
pub const MAX_CONTAINERS: usize = 20_000;

/// A container with what its engine knows of its health.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) container: Container,
    pub(super) health: Option<Seen>,
}

/// What is known of an engine's containers.
#[derive(Debug)]
pub(super) struct Known {
    provider: Arc<ProviderId>,
    engine: Engine,
    settings: Settings,
    by_id: BTreeMap<ContainerId, Read>,
    /// The routes whose health the engine was said to know, by their containers.
    told: BTreeMap<ContainerId, Vec<EntryKey>>,
}

/// What came of reading one container.
#[derive(Debug)]
struct Read {
    reading: Reading,
    health: Option<Seen>,
}

impl Known {
    pub(super) fn of(provider: Arc<ProviderId>, engine: Engine, settings: Settings) -> Self {
        Self { provider, engine, settings, by_id: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Learns a listing: whoever was asked for and isn't in it is no more.
    ///
    /// # Errors
    /// There are more containers than are taken. Nothing changed.
    pub(super) fn learn(&mut self, whose: &Whose, listed: Vec<Listed>) -> Result<(), DockerError> {
        let remain = |id: &ContainerId| match whose {
            Whose::All => false,
            Whose::Of(ids) => !ids.contains(id),
        };
        let listed_ids: BTreeSet<&ContainerId> =
            listed.iter().map(|one| &one.container.id).collect();
        let others = self.by_id.keys().filter(|id| remain(id) && !listed_ids.contains(id));
        let n = others.count() + listed_ids.len();
        if n > MAX_CONTAINERS {
            return Err(DockerError::TooMany { n, limit: MAX_CONTAINERS });
        }
        self.by_id.retain(|id, _| remain(id));
        for Listed { container, health } in listed {
            let reading = read_container(&container, &self.engine, &self.settings);
            self.by_id.insert(container.id, Read { reading, health });
        }
        Ok(())
    }

    /// All that is known, in the order of containers' ids.
    pub(super) fn reading(&self) -> Reading {
        let mut all = Reading::default();
        for Read { reading, .. } in self.by_id.values() {
            all.routes.extend_from_slice(&reading.routes);
            all.excluded.extend_from_slice(&reading.excluded);
            all.refused.extend_from_slice(&reading.refused);
            all.remarks.extend_from_slice(&reading.remarks);
        }
        all
    }

    /// What the engine knows of the health of containers' routes; of those that it knew something
    /// of before, that it doesn't any more.
    pub(super) fn health(&mut self, whose: &Whose) -> Vec<(EntryKey, Option<Seen>)> {
        let ids: BTreeSet<ContainerId> = match whose {
            Whose::All => self.by_id.keys().chain(self.told.keys()).cloned().collect(),
            Whose::Of(ids) => ids.clone(),
        };
        let mut said = Vec::new();
        for id in ids {
            let mut now = Vec::new();
            if let Some(Read { reading, health: Some(health) }) = self.by_id.get(&id) {
                now.extend(reading.routes.iter().map(|route| self.key(route, &id)));
                said.extend(now.iter().map(|key| (key.clone(), Some(health.clone()))));
            }
            let before = self.told.remove(&id).into_iter().flatten();
            said.extend(before.filter(|key| !now.contains(key)).map(|key| (key, None)));
            if !now.is_empty() {
                self.told.insert(id, now);
            }
        }
        said
    }

    fn key(&self, route: &Route, container: &ContainerId) -> EntryKey {
        let (provider, name) = (self.provider.clone(), route.name.as_str().into());
        EntryKey { provider, name, container: Some(container.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProviderKind;
    use crate::godoxy::{Port, Protocol};
    use crate::monitor::HealthStatus;

    fn known() -> Known {
        let provider = ProviderId::new(ProviderKind::Docker, "local").unwrap();
        let engine = Engine::named("local", None);
        Known::of(Arc::new(provider), engine, Settings::default())
    }

    fn listed(n: usize, health: Option<HealthStatus>) -> Listed {
        let container = Container {
            id: ContainerId::new(format!("{n:064}")),
            name: format!("/app-{n}"),
            image: "app".to_owned(),
            labels: BTreeMap::new(),
            ports: vec![Port { private: 80, public: None, protocol: Protocol::Tcp }],
            networks: [("front".to_owned(), [172, 18, 0, 2].into())].into(),
            is_on_host_network: false,
            mounts: Vec::new(),
        };
        let health = health.map(|status| Seen { status, ..Seen::default() });
        Listed { container, health }
    }

    fn ids(of: &[usize]) -> Whose {
        Whose::Of(of.iter().map(|n| ContainerId::new(format!("{n:064}"))).collect())
    }

    fn names(known: &Known) -> Vec<String> {
        known.reading().routes.into_iter().map(|route| route.name).collect()
    }

    #[test]
    fn whoever_was_asked_for_and_is_not_listed_is_no_more() {
        let mut known = known();
        known.learn(&Whose::All, (1..=3).map(|n| listed(n, None)).collect()).unwrap();
        assert_eq!(names(&known), ["app-1", "app-2", "app-3"]);
        known.learn(&ids(&[2, 4]), vec![listed(4, None)]).unwrap();
        assert_eq!(names(&known), ["app-1", "app-3", "app-4"]);
        known.learn(&Whose::All, vec![listed(4, None)]).unwrap();
        assert_eq!(names(&known), ["app-4"]);
    }

    #[test]
    fn more_containers_than_are_taken_change_nothing() {
        let mut known = known();
        known.learn(&Whose::All, vec![listed(1, None)]).unwrap();
        let many: Vec<Listed> = (0..=MAX_CONTAINERS).map(|n| listed(n, None)).collect();
        let refused = known.learn(&Whose::All, many).unwrap_err();
        assert!(refused.to_string().contains("20001"), "{refused}");
        assert_eq!(names(&known), ["app-1"]);
        let as_many = (1..=MAX_CONTAINERS).map(|n| listed(n, None)).collect();
        known.learn(&Whose::All, as_many).unwrap();
        assert!(known.learn(&ids(&[0]), vec![listed(0, None)]).is_err());
        // One that is known is no more than it was.
        known.learn(&ids(&[1]), vec![listed(1, None)]).unwrap();
        assert_eq!(known.by_id.len(), MAX_CONTAINERS);
    }

    #[test]
    fn an_engine_that_knows_nothing_any_more_says_so_once() {
        let mut known = known();
        let healthy = Some(HealthStatus::Healthy);
        known.learn(&Whose::All, vec![listed(1, healthy), listed(2, healthy)]).unwrap();
        let said = |known: &mut Known, whose: &Whose| -> Vec<(String, bool)> {
            let said = known.health(whose).into_iter();
            said.map(|(key, seen)| (key.to_string(), seen.is_some())).collect()
        };
        let key = |n: usize| format!("docker@local:app-{n}-00000000");
        assert_eq!(said(&mut known, &Whose::All), [(key(1), true), (key(2), true)]);
        known.learn(&ids(&[2]), vec![listed(2, None)]).unwrap();
        assert_eq!(said(&mut known, &ids(&[2])), [(key(2), false)]);
        assert_eq!(said(&mut known, &Whose::All), [(key(1), true)]);
        // The route of one that is no more is nobody's.
        known.learn(&Whose::All, Vec::new()).unwrap();
        assert_eq!(said(&mut known, &Whose::All), [(key(1), false)]);
        assert_eq!(said(&mut known, &Whose::All), []);
    }
}
