//! Announcements a second, from bytes: each destination is a cluster with a path, metrics and
//! attributes of its own, in a message of its own, 64 messages a batch.
//!
//! Four ways: unsigned; a signature a message, or one a batch, at *first contact*, when each claim's
//! signature is verified too, and *again*, when all claims are remembered and the metrics have
//! changed, so that each announcement replaces a route.

use anyhow::Result;
use bytes::Bytes;
use rutter_fabric::crypto::SigningKey;
use rutter_protocol::claims::Claim;
use rutter_protocol::speaker::{FABRIC, Security, Signing};
use rutter_protocol::wire::{Announced, Announcement, Message, Metrics, Scope};
use rutter_route::{AnyDestination, ClusterId, DestinationKind, Now, PathId, Standing, Tags};
use smallvec::smallvec;

use super::child::Outcome;
use super::receiver::{NOW, Receiver};
use super::voice::{self, Voice};
use crate::bench::cpu::thread_cpu;

/// Messages a batch.
const BATCH: usize = 64;

/// The names of steps, as the report asks for them.
pub(super) mod step {
    pub(in super::super) const UNSIGNED: &str = "unsigned, new";
    pub(in super::super) const UNSIGNED_AGAIN: &str = "unsigned, changed";
    pub(in super::super) const EACH: &str = "each signed, first contact";
    pub(in super::super) const EACH_AGAIN: &str = "each signed, changed";
    pub(in super::super) const BATCH: &str = "one signature a batch, first contact";
    pub(in super::super) const BATCH_AGAIN: &str = "one signature a batch, changed";
}

/// Measures all of them.
pub(super) fn run(n: usize) -> Result<Outcome> {
    let world = World::new(n)?;
    let mut outcome = Outcome::default();
    let ways = [
        (Signing::Off, step::UNSIGNED, step::UNSIGNED_AGAIN),
        (Signing::Each, step::EACH, step::EACH_AGAIN),
        (Signing::Batch, step::BATCH, step::BATCH_AGAIN),
    ];
    for (how, first, again) in ways {
        let [first_took, again_took] = world.run(how)?;
        outcome.seconds.insert(first.to_owned(), first_took);
        outcome.seconds.insert(again.to_owned(), again_took);
    }
    Ok(outcome)
}

/// Who announces what.
struct World {
    fabric: Scope,
    own: ClusterId,
    via: ClusterId,
    clusters: Vec<(ClusterId, SigningKey)>,
}

impl World {
    fn new(n: usize) -> Result<Self> {
        let clusters = (0..n).map(|at| -> Result<_> {
            let name: ClusterId = format!("cluster-{at:05}").parse()?;
            Ok((name, voice::key(at as u64 + 1)))
        });
        Ok(Self {
            fabric: FABRIC.parse()?,
            own: "own".parse()?,
            via: "via".parse()?,
            clusters: clusters.collect::<Result<_>>()?,
        })
    }

    /// CPU seconds of the first time, and of the second.
    fn run(&self, how: Signing) -> Result<[f64; 2]> {
        let security = match how {
            Signing::Off => Security::open(),
            _ => Security::default(),
        };
        let mut keys = self.clusters.clone();
        keys.push((self.via.clone(), voice::key(0)));
        let scope = (&self.fabric, DestinationKind::Cluster);
        let mut receiver = Receiver::new(scope, security, &self.via, &keys)?;
        let mut voice = Voice::new(&self.via, &self.own, scope, voice::key(0));
        receiver.open(&mut voice)?;
        let n = self.clusters.len();
        let mut took = [0.0; 2];
        for (round, took) in took.iter_mut().enumerate() {
            let frames = self.frames(&mut voice, how, round as u32)?;
            let begun = thread_cpu();
            receiver.hear(&frames)?;
            *took = thread_cpu().saturating_sub(begun).as_secs_f64();
            receiver.expect(FABRIC, n * (round + 1), n)?;
        }
        let n_batches = n.div_ceil(BATCH) * 2;
        let wanted = match how {
            Signing::Off => 0,
            Signing::Each => 2 * n + n,
            Signing::Batch => n_batches + n,
        };
        let verified = receiver.n_verified;
        anyhow::ensure!(verified == wanted, "{verified} signatures verified, expected {wanted}");
        Ok(took)
    }

    fn frames(&self, voice: &mut Voice, how: Signing, round: u32) -> Result<Vec<Bytes>> {
        let frame = |clusters: &[(ClusterId, SigningKey)]| {
            let message = |(at, (cluster, key)): (usize, &(ClusterId, SigningKey))| {
                let claim = (how != Signing::Off).then(|| self.claim(cluster, key));
                self.announcement(cluster, claim, 1000 + at as u32 + 100 * round)
            };
            let messages: Vec<Message> = clusters.iter().enumerate().map(message).collect();
            voice.batch(&messages, how)
        };
        self.clusters.chunks(BATCH).map(frame).collect()
    }

    fn claim(&self, cluster: &ClusterId, key: &SigningKey) -> Claim {
        let destination = AnyDestination::Cluster(cluster.clone());
        voice::claim(Now::new(NOW.0, NOW.1), &self.fabric, cluster, destination, key)
    }

    fn announcement(&self, to: &ClusterId, claim: Option<Claim>, latency_us: u32) -> Message {
        Message::Announce(Announcement {
            scope: self.fabric.clone(),
            path: smallvec![self.via.clone(), to.clone()],
            metrics: Metrics { hops: 1, latency_us, ..Metrics::default() },
            tags: Tags::default(),
            standing: Standing::Eligible,
            routes: vec![Announced {
                destination: AnyDestination::Cluster(to.clone()),
                path_id: PathId::default(),
                claim,
            }],
        })
    }
}
