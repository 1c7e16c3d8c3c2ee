//! A simulated cluster: its speaker and tables while it is up, and what outlives them.

mod boot;
mod engine;

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rutter_protocol::Engine;
use rutter_protocol::keys::KeyId;
use rutter_route::{AnyDestination, ClusterId, Now};

use crate::clock::Clock;
use crate::invariants::Flaps;
use crate::liar::Liar;
use crate::scenario::{ClusterSpec, Scenario};
use crate::signer::{KeyPair, Keyring};

pub(crate) use boot::{FORGET, MAX_RESTART, Neighbourhood};
pub(crate) use engine::{book, kind_of, originate, scope_of, tables_digest, withdraw};

/// One cluster.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: ClusterId,
    /// What is said of it now; policies may change on the way.
    pub spec: ClusterSpec,
    /// Its speaker and tables; `None`: it is down.
    pub engine: Option<Engine>,
    /// Services and prefixes that it originates now.
    pub own: BTreeSet<AnyDestination>,
    pub(crate) clock: Clock,
    pub(crate) wall_ahead: i64,
    /// Its keys, the oldest first; the last is its primary.
    pub(crate) pairs: Vec<KeyPair>,
    /// The incarnation of its last boot, as it is kept on disk; `None`: lost.
    pub(crate) incarnation: Option<u64>,
    /// The keys that it had learned, as they are kept on disk.
    pub(crate) kept_keys: Option<String>,
    /// Which boot this is; answers to an older one are for nobody.
    pub(crate) boot: u32,
    /// When it is to be woken.
    pub(crate) wake: Option<u64>,
    pub(crate) signer_fails_until: u64,
    /// It was told to be away until then.
    pub(crate) away_until: u64,
    /// By when neighbours are back that said so over a connection to it, or of whom somebody said so.
    pub(crate) back_by: BTreeMap<ClusterId, u64>,
    pub(crate) liar: Liar,
    /// What befell the routes that it hears, since it is up.
    pub(crate) flaps: Flaps,
    pub(crate) rng: ChaCha8Rng,
    /// Ticks in the present second.
    pub(crate) ticks: (u64, u32),
    /// Inputs that its speaker has had in all its lives.
    pub n_inputs: u64,
}

impl Node {
    pub(crate) fn new(
        scenario: &Scenario,
        name: &ClusterId,
        place: usize,
        ring: &mut Keyring,
    ) -> Self {
        let spec = scenario.of(name).clone();
        let pair = KeyPair::derive(scenario.seed, name.as_str(), 0);
        ring.add(&pair);
        let services = spec.services.iter().cloned().map(rutter_route::Service::http);
        let own = services
            .map(AnyDestination::Service)
            .chain(spec.prefixes.iter().copied().map(AnyDestination::Prefix))
            .collect();
        let seed = scenario.seed.wrapping_mul(0x9e37_79b9).wrapping_add(place as u64);
        Self {
            name: name.clone(),
            clock: Clock::boot(0, spec.drift_ppm, spec.wall_ahead_ms),
            wall_ahead: spec.wall_ahead_ms,
            liar: Liar::new(spec.lies.clone(), seed),
            flaps: Flaps::default(),
            spec,
            engine: None,
            own,
            pairs: vec![pair],
            incarnation: None,
            kept_keys: None,
            boot: 0,
            wake: None,
            signer_fails_until: 0,
            away_until: 0,
            back_by: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            ticks: (0, 0),
            n_inputs: 0,
        }
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.engine.is_some()
    }

    /// Whether it never lied: what an honest cluster says of a liar's words is the liar's.
    pub fn is_honest(&self) -> bool {
        self.liar.is_honest()
    }

    /// What its clocks say.
    pub fn now(&self, at: u64) -> Now {
        self.clock.at(at)
    }

    /// All that it originates, itself included.
    pub fn originates(&self) -> impl Iterator<Item = AnyDestination> {
        std::iter::once(AnyDestination::Cluster(self.name.clone())).chain(self.own.iter().cloned())
    }

    /// The pair with that id.
    pub(crate) fn pair(&self, id: &KeyId) -> Option<&KeyPair> {
        self.pairs.iter().find(|pair| pair.id == *id)
    }

    /// The pair that it signs by.
    pub(crate) fn primary(&self) -> Option<&KeyPair> {
        self.pairs.last()
    }
}
