//! A million prefixes over one session, with the same attributes: sent once a message of 1,024.

use std::net::IpAddr;

use anyhow::Result;
use bytes::Bytes;
use rutter_protocol::claims::Claim;
use rutter_protocol::speaker::{Security, Signing};
use rutter_protocol::wire::{
    Announced, Announcement, MAX_ROUTES, Message, Metrics, Scope, Withdrawal, Withdrawn,
};
use rutter_route::{
    AnyDestination, ClusterId, DestinationKind, Now, PathId, Prefix, Standing, Tags,
};
use smallvec::smallvec;

use super::child::Outcome;
use super::receiver::{NOW, Receiver};
use super::voice::{self, Voice};
use crate::allocator;
use crate::bench::cpu::thread_cpu;
use crate::bench::prefixes;

const SCOPE: &str = "overlay/100";

/// The names of steps and moments, as the report asks for them.
pub(super) mod step {
    pub(in super::super) const TAKEN_IN: &str = "taken in";
    pub(in super::super) const WITHDRAWN: &str = "withdrawn in another order";
    pub(in super::super) const LOST: &str = "lost";
    pub(in super::super) const ROUTE: &str = "route";
    pub(in super::super) const CLAIM: &str = "claim";
}

/// CPU of taking in and withdrawing.
pub(super) fn prefixes(n: usize, seed: u64) -> Result<Outcome> {
    let world = World::new(n, seed)?;
    let mut outcome = Outcome::default();
    let mut timed = |name: &str, receiver: &mut Receiver, frames: &[Bytes]| -> Result<()> {
        let begun = thread_cpu();
        match frames {
            [] => receiver.lose()?,
            frames => receiver.hear(frames)?,
        }
        let took = thread_cpu().saturating_sub(begun).as_secs_f64();
        outcome.seconds.insert(name.to_owned(), took);
        Ok(())
    };
    let (mut receiver, mut voice) = world.session()?;
    let frames = world.announcements(&mut voice, None)?;
    timed(step::TAKEN_IN, &mut receiver, &frames)?;
    receiver.expect(SCOPE, n, n)?;
    let frames = world.withdrawals(&mut voice, seed)?;
    timed(step::WITHDRAWN, &mut receiver, &frames)?;
    receiver.expect(SCOPE, n, 0)?;
    drop(receiver);

    let (mut receiver, mut voice) = world.session()?;
    receiver.hear(&world.announcements(&mut voice, None)?)?;
    receiver.expect(SCOPE, n, n)?;
    timed(step::LOST, &mut receiver, &[])?;
    receiver.expect(SCOPE, n, n)?;
    Ok(outcome)
}

/// Bytes of a route, and of a claim beside it. Both are those asked of the allocator, of all that the
/// speaker and its table hold.
pub(super) fn memory(n: usize, seed: u64) -> Result<Outcome> {
    let world = World::new(n, seed)?;
    let mut outcome = Outcome::default();
    let mut bytes = |name: &str, of: f64| outcome.bytes.insert(name.to_owned(), of / n as f64);
    allocator::begin();
    let route = world.bytes_of(false)?;
    bytes(step::ROUTE, route);
    let with_claim = world.bytes_of(true)?;
    bytes(step::CLAIM, with_claim - route);
    Ok(outcome)
}

struct World {
    scope: Scope,
    own: ClusterId,
    via: ClusterId,
    prefixes: Vec<Prefix>,
}

impl World {
    fn new(n: usize, seed: u64) -> Result<Self> {
        let prefix = |(address, length)| Prefix::new(IpAddr::V4(address), length);
        let networks = prefixes::draw(n, seed)?;
        let prefixes = networks.into_iter().map(prefix).collect::<Result<_, _>>()?;
        Ok(Self { scope: SCOPE.parse()?, own: "own".parse()?, via: "via".parse()?, prefixes })
    }

    fn session(&self) -> Result<(Receiver, Voice)> {
        let scope = (&self.scope, DestinationKind::Prefix);
        let keys = [(self.via.clone(), voice::key(0))];
        let mut receiver = Receiver::new(scope, Security::open(), &self.via, &keys)?;
        let mut voice = Voice::new(&self.via, &self.own, scope, voice::key(0));
        receiver.open(&mut voice)?;
        Ok((receiver, voice))
    }

    /// What a table with all routes holds, with a claim each or none.
    fn bytes_of(&self, claims: bool) -> Result<f64> {
        let (mut receiver, mut voice) = self.session()?;
        // Whether a signature is good makes no difference to the room that its claim takes.
        receiver.verifies = false;
        let frames = self.announcements(&mut voice, claims.then(|| voice::key(0).id()))?;
        let before = allocator::in_use();
        receiver.hear(&frames)?;
        let after = allocator::in_use();
        receiver.expect(SCOPE, self.prefixes.len(), self.prefixes.len())?;
        Ok((after - before) as f64)
    }

    fn announcements(
        &self,
        voice: &mut Voice,
        claimed: Option<rutter_protocol::keys::KeyId>,
    ) -> Result<Vec<Bytes>> {
        let claim = |prefix: &Prefix| -> Option<Claim> {
            let destination = AnyDestination::Prefix(*prefix);
            let now = Now::new(NOW.0, NOW.1);
            Some(voice::claim_unsigned(now, &self.via, destination, claimed?))
        };
        let announced = |prefix: &Prefix| Announced {
            destination: AnyDestination::Prefix(*prefix),
            path_id: PathId::default(),
            claim: claim(prefix),
        };
        let frame = |prefixes: &[Prefix]| {
            let announcement = Announcement {
                scope: self.scope.clone(),
                path: smallvec![self.via.clone()],
                metrics: Metrics { latency_us: 1000, ..Metrics::default() },
                tags: Tags::default(),
                standing: Standing::Eligible,
                routes: prefixes.iter().map(announced).collect(),
            };
            voice.batch(&[Message::Announce(announcement)], Signing::Off)
        };
        self.prefixes.chunks(MAX_ROUTES).map(frame).collect()
    }

    /// In another order than they came.
    fn withdrawals(&self, voice: &mut Voice, seed: u64) -> Result<Vec<Bytes>> {
        let withdrawn = |prefix: &Prefix| Withdrawn {
            destination: AnyDestination::Prefix(*prefix),
            path_id: PathId::default(),
            claim: None,
        };
        let frame = |prefixes: &[Prefix]| {
            let routes = prefixes.iter().map(withdrawn).collect();
            let withdrawal = Withdrawal { scope: self.scope.clone(), routes };
            voice.batch(&[Message::Withdraw(withdrawal)], Signing::Off)
        };
        prefixes::shuffled(&self.prefixes, seed + 1).chunks(MAX_ROUTES).map(frame).collect()
    }
}
