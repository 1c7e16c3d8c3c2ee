//! A neighbour that lies: a speaker with a good key whose every word may be twisted before it signs.
//!
//! It speaks the protocol without a fault, so each of its batches is well signed, numbered and in
//! order; what it says in them is not what its tables hold. What it can't do is sign for others.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rutter_protocol::claims::Claim;
use rutter_protocol::keys::KeySet;
use rutter_protocol::wire::sign::{self, SessionId};
use rutter_protocol::wire::{
    Announced, Announcement, Batch, Frame, Message, Metrics, Open, Scope, Signature, Signed, root,
};
use rutter_route::{AnyDestination, ClusterId, Now, PathId, Standing, Tags, Wall};
use sha2::{Digest, Sha256};

use crate::faults::Lie;
use crate::middle::ghost;
use crate::pipe::{Side, other};
use crate::signer::KeyPair;
use crate::topology::pick;

/// How long a liar stays with its lies, in ms: one that says something else each time it is told
/// something keeps everybody busy for ever, which is a flood and no lie.
const MOOD: u64 = 10_000;

/// Claims that a liar remembers.
const MEMORY: usize = 1024;

/// What a liar knows, and what it lies about.
#[derive(Debug)]
pub(crate) struct Liar {
    how: Vec<Lie>,
    has_lied: bool,
    seed: u64,
    /// Which lies of which routes; `None`: others every [`MOOD`].
    mood: Option<u64>,
    rng: ChaCha8Rng,
    /// The first claims that went through its hands.
    old: BTreeMap<(Scope, ClusterId, AnyDestination), Claim>,
    ghosts: BTreeSet<AnyDestination>,
}

/// To whom it lies, and as whom.
struct Talk<'a> {
    now: Now,
    own: &'a ClusterId,
    pair: &'a KeyPair,
    to: &'a ClusterId,
    session: SessionId,
}

impl Liar {
    pub(crate) fn new(how: Vec<Lie>, seed: u64) -> Self {
        Self {
            has_lied: !how.is_empty(),
            how,
            seed,
            mood: None,
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x6c69_6172),
            old: BTreeMap::new(),
            ghosts: BTreeSet::new(),
        }
    }

    pub(crate) fn lie(&mut self, how: Vec<Lie>) {
        self.has_lied |= !how.is_empty();
        self.how = how;
    }

    /// From now on it stays with the lies of this moment, or it takes others every [`MOOD`].
    pub(crate) fn calm(&mut self, since: Option<u64>) {
        self.mood = since;
    }

    /// Where its choices for an announcement come from.
    fn dice(&mut self, talk: &Talk<'_>, of: &Announcement) -> ChaCha8Rng {
        let mood = self.mood.unwrap_or(talk.now.mono.0 / MOOD);
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(mood.to_be_bytes());
        hash.update(talk.to.as_str());
        hash.update(of.scope.as_str());
        hash.update(of.path.last().map_or("", |origin| origin.as_str()));
        ChaCha8Rng::from_seed(hash.finalize().into())
    }

    /// Whether it never lied.
    pub(crate) fn is_honest(&self) -> bool {
        !self.has_lied
    }

    /// Destinations that it has made up since it was last asked.
    pub(crate) fn ghosts(&mut self) -> BTreeSet<AnyDestination> {
        std::mem::take(&mut self.ghosts)
    }

    /// What it sends in place of a frame.
    pub(crate) fn twist(
        &mut self,
        now: Now,
        own: &ClusterId,
        pairs: &[KeyPair],
        opens: &[Option<Open>; 2],
        side: Side,
        frame: Bytes,
    ) -> Vec<Bytes> {
        if self.how.is_empty() {
            return vec![frame];
        }
        let (Some(Some(ours)), Some(Some(theirs))) = (opens.get(side), opens.get(other(side)))
        else {
            return vec![frame];
        };
        let Ok(Frame::Batch(batch)) = Frame::decode(frame.clone()) else { return vec![frame] };
        let Some(pair) = signer_of(&batch, pairs) else { return vec![frame] };
        let session = SessionId::of(ours, theirs);
        let talk = Talk { now, own, pair, to: &theirs.cluster, session };
        let mut messages: Vec<Message> =
            batch.messages.iter().filter_map(|bytes| Message::decode(bytes).ok()).collect();
        for message in &mut messages {
            self.twist_message(&talk, message);
        }
        self.add(&talk, &mut messages);
        vec![signed(&talk, &batch, &messages)]
    }

    fn twist_message(&mut self, talk: &Talk<'_>, message: &mut Message) {
        match message {
            Message::Announce(announcement) => {
                self.remember(announcement);
                let mut dice = self.dice(talk, announcement);
                if dice.random_bool(0.6)
                    && let Some(lie) = pick(&mut dice, &self.how).copied()
                {
                    let forge = dice.random_range(0..5);
                    self.twist_announcement(talk, lie, forge, announcement);
                }
            }
            Message::Withdraw(withdrawal) if self.how.contains(&Lie::OldClaim) => {
                for route in &mut withdrawal.routes {
                    if let Some(claim) = &mut route.claim {
                        let key = (
                            withdrawal.scope.clone(),
                            claim.originator.clone(),
                            route.destination.clone(),
                        );
                        if let Some(old) = self.old.get(&key) {
                            *claim = old.clone();
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn remember(&mut self, announcement: &Announcement) {
        for claim in announcement.routes.iter().filter_map(|route| route.claim.as_ref()) {
            let key =
                (announcement.scope.clone(), claim.originator.clone(), claim.destination.clone());
            if self.old.len() < MEMORY {
                self.old.entry(key).or_insert_with(|| claim.clone());
            }
        }
    }

    fn twist_announcement(&mut self, talk: &Talk<'_>, lie: Lie, forge: u32, of: &mut Announcement) {
        let originator = of.path.last().cloned();
        match lie {
            Lie::ShortPath if of.path.len() > 2 => {
                of.path = [Some(talk.own.clone()), originator].into_iter().flatten().collect();
                of.metrics = Metrics { hops: 1, ..Metrics::default() };
            }
            Lie::Loop if of.path.len() > 1 => {
                of.path.insert(1, talk.to.clone());
            }
            Lie::ForgedClaim => {
                for route in &mut of.routes {
                    if let Some(claim) = &mut route.claim {
                        forge_claim(talk, forge, claim);
                    }
                }
            }
            Lie::StripTags => {
                of.tags = Tags::default();
                for claim in of.routes.iter_mut().filter_map(|route| route.claim.as_mut()) {
                    claim.tags = Tags::default();
                }
            }
            Lie::OldClaim => {
                for route in &mut of.routes {
                    let Some(claim) = &mut route.claim else { continue };
                    let key =
                        (of.scope.clone(), claim.originator.clone(), route.destination.clone());
                    if let Some(old) = self.old.get(&key) {
                        *claim = old.clone();
                    }
                }
            }
            Lie::OthersDestination => {
                // The route becomes the liar's own, under a claim that it signs in its own name.
                of.path = [talk.own.clone()].into_iter().collect();
                for route in &mut of.routes {
                    if let Some(claim) = &mut route.claim {
                        claim.originator = talk.own.clone();
                        sign_claim(talk, &of.scope, claim);
                    }
                }
            }
            Lie::NoClaim => of.routes.iter_mut().for_each(|route| route.claim = None),
            _ => {}
        }
    }

    /// Messages of its own.
    fn add(&mut self, talk: &Talk<'_>, messages: &mut Vec<Message>) {
        if !self.rng.random_bool(0.3) {
            return;
        }
        let Some(lie) = pick(&mut self.rng, &self.how).copied() else { return };
        let made_up = match lie {
            Lie::ForgedClaim => self.ghost_route(talk),
            Lie::ForgedHeld => self.held(talk),
            Lie::ForgedKeys => self.keys(talk),
            Lie::OldClaim => self.renewed(),
            _ => None,
        };
        messages.extend(made_up);
    }

    /// A route to a cluster that isn't there, under a claim signed by the liar's key.
    fn ghost_route(&mut self, talk: &Talk<'_>) -> Option<Message> {
        let scope: Scope = rutter_protocol::speaker::FABRIC.parse().ok()?;
        let ghost = ghost(self.rng.random_range(1000..2000))?;
        let destination = AnyDestination::Cluster(ghost.clone());
        self.ghosts.insert(destination.clone());
        let mut claim = blank(talk, &ghost, destination.clone());
        sign_claim(talk, &scope, &mut claim);
        let routes =
            vec![Announced { destination, path_id: PathId::default(), claim: Some(claim) }];
        Some(Message::Announce(Announcement {
            scope,
            path: [talk.own.clone(), ghost].into_iter().collect(),
            metrics: Metrics { hops: 1, ..Metrics::default() },
            tags: Tags::default(),
            standing: Standing::Eligible,
            routes,
        }))
    }

    /// The receiver's own claim, as if the liar held a newer one.
    fn held(&mut self, talk: &Talk<'_>) -> Option<Message> {
        let scope: Scope = rutter_protocol::speaker::FABRIC.parse().ok()?;
        let own = AnyDestination::Cluster(talk.to.clone());
        let mut claim = match self.old.get(&(scope.clone(), talk.to.clone(), own.clone())) {
            Some(old) => old.clone(),
            None => blank(talk, talk.to, own),
        };
        claim.incarnation = u64::MAX - 1;
        claim.withdrawn = self.rng.random_bool(0.5);
        claim.signature = talk.pair.sign(&sign::claim_bytes(&scope, &claim));
        Some(Message::Held(scope, claim))
    }

    /// Keys of somebody else: the liar's own.
    fn keys(&mut self, talk: &Talk<'_>) -> Option<Message> {
        let victims: Vec<_> =
            self.old.iter().map(|((_, who, _), claim)| (who, claim.key)).collect();
        let (victim, key) = pick(&mut self.rng, &victims)?;
        let mut set = KeySet {
            cluster: (*victim).clone(),
            version: (u64::MAX - 1, 1),
            primary: talk.pair.id,
            keys: vec![(talk.pair.public, None)],
            key: if self.rng.random_bool(0.5) { *key } else { talk.pair.id },
            signature: Signature([0; 64]),
        };
        set.signature = talk.pair.sign(&sign::keys_bytes(&set));
        Some(Message::Keys(set))
    }

    /// An old claim once more, as if it were new.
    fn renewed(&mut self) -> Option<Message> {
        let known: Vec<_> = self.old.iter().collect();
        let ((scope, ..), claim) = pick(&mut self.rng, &known)?;
        Some(Message::Renew((*scope).clone(), (*claim).clone()))
    }
}

fn blank(talk: &Talk<'_>, originator: &ClusterId, destination: AnyDestination) -> Claim {
    Claim {
        originator: originator.clone(),
        destination,
        tags: Tags::default(),
        incarnation: talk.now.wall.0 / 1000,
        sequence: 1,
        not_after: Wall(talk.now.wall.0 + 60_000),
        withdrawn: false,
        key: talk.pair.id,
        signature: Signature([0; 64]),
    }
}

/// Changes a claim; its signature can't be right any more.
fn forge_claim(talk: &Talk<'_>, how: u32, claim: &mut Claim) {
    match how {
        0 => claim.sequence = claim.sequence.saturating_add(1000),
        1 => claim.not_after = Wall(claim.not_after.0 + 1000),
        2 => claim.incarnation = claim.incarnation.saturating_add(1),
        3 => {
            if let Ok(tag) = "forged".parse() {
                // A full set can't take one more; then this lie is the truth.
                let _full = claim.tags.insert(tag);
            }
        }
        _ => {
            claim.sequence = claim.sequence.saturating_add(1);
            claim.key = talk.pair.id;
        }
    }
}

fn sign_claim(talk: &Talk<'_>, scope: &Scope, claim: &mut Claim) {
    claim.key = talk.pair.id;
    claim.signature = talk.pair.sign(&sign::claim_bytes(scope, claim));
}

/// The pair by which its speaker signed a batch. After a rotation that is for a while the one before:
/// nobody knows the newest yet, and a batch by that is refused with all the lies in it.
fn signer_of<'a>(batch: &Batch, pairs: &'a [KeyPair]) -> Option<&'a KeyPair> {
    match &batch.signed {
        Signed::Not => pairs.last(),
        Signed::Batch(key, _) | Signed::Each(key, _) => pairs.iter().find(|pair| pair.id == *key),
    }
}

/// The batch with these messages, well signed.
fn signed(talk: &Talk<'_>, batch: &Batch, messages: &[Message]) -> Bytes {
    let messages: Vec<Bytes> = messages
        .iter()
        .map(|message| {
            let mut bytes = BytesMut::new();
            message.encode(&mut bytes);
            bytes.freeze()
        })
        .collect();
    let (from, to, session) = (talk.own, talk.to, &talk.session);
    let (stream, number) = (batch.stream, batch.number);
    let signed = match &batch.signed {
        Signed::Not => Signed::Not,
        Signed::Batch(..) => {
            let root = root(&messages);
            let bytes = sign::batch_bytes(from, to, session, stream, number, messages.len(), &root);
            Signed::Batch(talk.pair.id, talk.pair.sign(&bytes))
        }
        Signed::Each(..) => {
            let each = messages.iter().enumerate().map(|(at, message)| {
                let bytes = sign::message_bytes(from, to, session, stream, number, at, message);
                talk.pair.sign(&bytes)
            });
            Signed::Each(talk.pair.id, each.collect())
        }
    };
    Frame::Batch(Batch { stream, number, messages, signed }).encode()
}
