//! A neighbour that was paid to speak: its frames are made beforehand, signed as real ones are.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use rutter_fabric::crypto::SigningKey;
use rutter_protocol::claims::Claim;
use rutter_protocol::keys::KeyId;
use rutter_protocol::speaker::Signing;
use rutter_protocol::wire::sign::{self, SessionId};
use rutter_protocol::wire::{Batch, Frame, Message, Open, Scope, Signature, Signed, root};
use rutter_route::{AnyDestination, ClusterId, DestinationKind, Now, Tags, Wall};

/// How long a claim counts.
pub(super) const CLAIM_LIFE: Duration = Duration::from_secs(24 * 3600);

/// See the module's head.
pub(super) struct Voice {
    key: SigningKey,
    open: Open,
    session: Option<SessionId>,
    number: u64,
}

impl Voice {
    /// The voice of `own`, to speak with `to` of one scope.
    pub(super) fn new(
        own: &ClusterId,
        to: &ClusterId,
        scope: (&Scope, DestinationKind),
        key: SigningKey,
    ) -> Self {
        let open = Open {
            revision: rutter_protocol::wire::REVISION,
            cluster: own.clone(),
            to: to.clone(),
            incarnation: 1,
            nonce: [7; 16],
            scopes: BTreeMap::from([(scope.0.clone(), scope.1)]),
            paths: 1,
            gateway: String::new(),
        };
        Self { key, open, session: None, number: 0 }
    }

    /// What it begins with.
    pub(super) fn open(&self) -> Bytes {
        Frame::Open(self.open.clone()).encode()
    }

    /// What the other end began with.
    pub(super) fn opened(&mut self, frame: Bytes) -> Result<()> {
        let Frame::Open(theirs) = Frame::decode(frame)? else {
            anyhow::bail!("the speaker began with something else than an open");
        };
        self.session = Some(SessionId::of(&self.open, &theirs));
        Ok(())
    }

    /// A frame of a batch.
    pub(super) fn batch(&mut self, messages: &[Message], how: Signing) -> Result<Bytes> {
        let session = self.session.context("the session isn't open yet")?;
        self.number += 1;
        let (stream, number) = (1, self.number);
        let (from, to) = (&self.open.cluster, &self.open.to);
        let messages: Vec<Bytes> = messages.iter().map(Message::to_bytes).collect();
        let signed = match how {
            Signing::Off => Signed::Not,
            Signing::Batch => {
                let root = root(&messages);
                let count = messages.len();
                let bytes = sign::batch_bytes(from, to, &session, stream, number, count, &root);
                Signed::Batch(self.key.id(), self.key.sign(&bytes))
            }
            Signing::Each => {
                let one = |(at, message): (usize, &Bytes)| {
                    let bytes =
                        sign::message_bytes(from, to, &session, stream, number, at, message);
                    self.key.sign(&bytes)
                };
                Signed::Each(self.key.id(), messages.iter().enumerate().map(one).collect())
            }
        };
        Ok(Frame::Batch(Batch { stream, number, messages, signed }).encode())
    }
}

/// A claim, signed.
pub(super) fn claim(
    now: Now,
    scope: &Scope,
    originator: &ClusterId,
    destination: AnyDestination,
    key: &SigningKey,
) -> Claim {
    let mut claim = Claim {
        originator: originator.clone(),
        destination,
        tags: Tags::default(),
        incarnation: 1,
        sequence: 1,
        not_after: Wall(now.wall.0 + CLAIM_LIFE.as_millis() as u64),
        withdrawn: false,
        key: key.id(),
        signature: Signature([0; 64]),
    };
    claim.signature = key.sign(&sign::claim_bytes(scope, &claim));
    claim
}

/// As [`claim`], where nobody looks at the signature: what it takes to keep it is the same.
pub(super) fn claim_unsigned(
    now: Now,
    originator: &ClusterId,
    destination: AnyDestination,
    key: KeyId,
) -> Claim {
    Claim {
        originator: originator.clone(),
        destination,
        tags: Tags::default(),
        incarnation: 1,
        sequence: 1,
        not_after: Wall(now.wall.0 + CLAIM_LIFE.as_millis() as u64),
        withdrawn: false,
        key,
        signature: Signature([1; 64]),
    }
}

/// A key that is the same in each run.
pub(super) fn key(number: u64) -> SigningKey {
    let mut seed = [0x5a; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(seed)
}
