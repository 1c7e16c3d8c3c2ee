//! Somebody on the way, without a key: what he does with the frames of a live connection.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rutter_protocol::keys::KeyId;
use rutter_protocol::wire::{
    Announced, Announcement, Batch, Frame, Message, Metrics, Signature, Signed,
};
use rutter_route::{AnyDestination, ClusterId, PathId, Standing, Tags};

use crate::faults::Meddling;
use crate::topology::pick;

/// How often he does something: in one of so many frames.
const ONE_OF: u32 = 3;

/// What the other end gets in place of a frame, in order. `by` is who sent it, and the id of its key.
pub(crate) fn meddle(
    how: Meddling,
    rng: &mut ChaCha8Rng,
    frame: &Bytes,
    heard: &[Bytes],
    kept_back: &mut Option<Bytes>,
    by: Option<(ClusterId, KeyId)>,
    ghosts: &mut BTreeSet<AnyDestination>,
) -> Vec<Bytes> {
    if let Some(kept) = kept_back.take() {
        return vec![frame.clone(), kept];
    }
    if !rng.random_ratio(1, ONE_OF) {
        return vec![frame.clone()];
    }
    match how {
        Meddling::Drop => Vec::new(),
        Meddling::Duplicate => vec![frame.clone(), frame.clone()],
        Meddling::Reorder => {
            *kept_back = Some(frame.clone());
            Vec::new()
        }
        Meddling::Flip => vec![flip(rng, frame)],
        Meddling::Replay => {
            let old = pick(rng, heard).unwrap_or(frame).clone();
            vec![frame.clone(), old]
        }
        Meddling::Inject => {
            let forged = inject(rng, frame, by, ghosts);
            if rng.random_bool(0.5) { vec![frame.clone(), forged] } else { vec![forged] }
        }
    }
}

fn flip(rng: &mut ChaCha8Rng, frame: &Bytes) -> Bytes {
    let mut bytes = BytesMut::from(frame.as_ref());
    if !bytes.is_empty() {
        let at = rng.random_range(0..bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << rng.random_range(0..8);
        }
    }
    bytes.freeze()
}

/// A batch that announces a destination which nobody has, in the frame's place in the order.
fn inject(
    rng: &mut ChaCha8Rng,
    frame: &Bytes,
    by: Option<(ClusterId, KeyId)>,
    ghosts: &mut BTreeSet<AnyDestination>,
) -> Bytes {
    let ghost = ghost(rng.random_range(0..1000));
    let Some(ghost) = ghost else { return frame.clone() };
    let (stream, number) = match Frame::decode(frame.clone()) {
        Ok(Frame::Batch(batch)) => (batch.stream, batch.number + u64::from(rng.random_bool(0.5))),
        _ => (1, 1),
    };
    ghosts.insert(AnyDestination::Cluster(ghost.clone()));
    let Ok(scope) = rutter_protocol::speaker::FABRIC.parse() else { return frame.clone() };
    let sender = by.as_ref().map(|(name, _)| name.clone());
    let mut message = BytesMut::new();
    Message::Announce(Announcement {
        scope,
        path: sender.into_iter().chain([ghost.clone()]).collect(),
        metrics: Metrics::default(),
        tags: Tags::default(),
        standing: Standing::Eligible,
        routes: vec![Announced {
            destination: AnyDestination::Cluster(ghost),
            path_id: PathId::default(),
            claim: None,
        }],
    })
    .encode(&mut message);
    let mut made_up = [0; 64];
    rng.fill(&mut made_up);
    let signed = match by {
        Some((_, key)) if rng.random_bool(0.7) => Signed::Batch(key, Signature(made_up)),
        _ => Signed::Not,
    };
    Frame::Batch(Batch { stream, number, messages: vec![message.freeze()], signed }).encode()
}

/// The name of a cluster that nobody has.
pub(crate) fn ghost(number: u32) -> Option<ClusterId> {
    format!("ghost-{number}").parse().ok()
}
