//! Nothing that was changed on the way, or made up, is accepted: a million messages, by count.
//!
//! The speaker is the real one and every signature is verified strictly. Each bit of a thousand
//! signed frames is flipped; a neighbour whose own signatures are good relays claims that were
//! changed; strangers sign; what was good once is said to another neighbour, in another session,
//! another scope, again, and later. After each one the tables, claims and keys are as they were; at
//! the end the frames that nobody touched are accepted, so that the refusals were not idle.

use std::collections::VecDeque;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use rutter_protocol::claims::Claim;
use rutter_protocol::speaker::{ConnectionId, Engine, Input, Output, Security, Signing, Speaker};
use rutter_protocol::wire::sign::{self, SessionId};
use rutter_protocol::wire::{Batch, Frame, Message, Open, Signed, root};
use rutter_route::ClusterId;

use crate::common::*;

/// Frames of which each bit is flipped.
const N_FRAMES: usize = 1_000;

/// At least so many messages are refused.
const GOAL: u64 = 1_000_000;

/// The stream in which the neighbour told its routes; forged frames come in later ones.
const STREAM: u64 = 1;

/// A speaker `a` with the neighbours `x` and `y`; `x` is connected and has told its routes.
struct Target {
    engine: Engine,
    key: SigningKey,
    last: u64,
    ours: Option<Open>,
    closed: bool,
    n_verified: u64,
}

impl Target {
    fn new(names: &[String]) -> Self {
        let mut config = config("a", &["x", "y"]);
        // What it says itself isn't looked at here.
        config.security = Security { signing: Signing::Off, ..Security::default() };
        config.log_routes = false;
        let known: Vec<&str> =
            ["a", "x", "y"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let mut book = book(&config, at(0));
        let speaker = Speaker::new(at(0), config, registry(&known), &mut book).unwrap();
        let engine = Engine { book, speaker };
        let key = key("a", 0);
        let mut target = Self { engine, key, last: 0, ours: None, closed: false, n_verified: 0 };
        target.input(Input::Tick);
        target
    }

    fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut out = Vec::new();
        while let Some(input) = inputs.pop_front() {
            self.engine.step(at(0), input, &mut out);
            for output in out.drain(..) {
                match output {
                    Output::Send { frame, .. } if self.ours.is_none() => {
                        if let Ok(Frame::Open(open)) = Frame::decode(frame) {
                            self.ours = Some(open);
                        }
                    }
                    Output::Close { .. } => self.closed = true,
                    Output::Sign { ticket, bytes, .. } => {
                        let signature = Ok(signature(&self.key, &bytes));
                        inputs.push_back(Input::Signed { ticket, signature });
                    }
                    Output::Verify { ticket, checks } => {
                        self.n_verified += checks.len() as u64;
                        let good = checks.iter().map(is_good).collect();
                        inputs.push_back(Input::Verified { ticket, good });
                    }
                    _ => {}
                }
            }
        }
    }

    /// A connection of a neighbour whose nonce is `nonce`, opened; its session.
    fn connect(&mut self, name: &str, nonce: u8) -> (ConnectionId, SessionId) {
        self.last += 1;
        let (id, ours) = (ConnectionId(self.last), [0xee; 16]);
        self.ours = None;
        self.closed = false;
        self.input(Input::Up { neighbour: cluster(name), connection: id, nonce: ours });
        let theirs = open_of(name, "a", nonce);
        let session = SessionId::of(&theirs, self.ours.as_ref().unwrap());
        self.input(Input::Heard { connection: id, frame: Frame::Open(theirs).encode() });
        (id, session)
    }

    fn hear(&mut self, id: ConnectionId, frame: Bytes) {
        self.input(Input::Heard { connection: id, frame });
    }

    /// Hears a frame over a connection of its own, which ends thereafter.
    fn hear_apart(&mut self, name: &str, nonce: u8, frame: Bytes) {
        let (id, _) = self.connect(name, nonce);
        self.hear(id, frame);
        if !self.closed {
            self.input(Input::Down { connection: id, why: "over".into() });
        }
    }

    /// What it has accepted: counts that rise with whatever is, then claims and keys.
    fn accepted(&self) -> (u64, u64, usize, usize) {
        let by = self.engine.speaker.stats().neighbours.values();
        let counts = by.map(|n| (n.announcements_accepted, n.withdrawals_applied));
        let (routes, gone) = counts.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        let claims = self.engine.speaker.claims().len();
        (routes, gone, claims, self.engine.speaker.keys().sets().count())
    }

    /// Who isn't barred and leads to these, and how many routes of the neighbours stand in all.
    fn stands(&self, names: &[String]) -> (usize, Vec<String>) {
        let table = self.engine.book.table::<ClusterId>(&scope("fabric")).unwrap();
        let by = |name: &String| {
            let routes = table.candidates(&cluster(name));
            let routes = routes.iter().filter(|route| !route.standing.is_barred());
            routes.map(|route| format!("{name} {} {}", route.source, route.standing)).collect()
        };
        let of_x = table.routes_of(&neighbour("x"));
        (of_x, names.iter().flat_map(|name| -> Vec<String> { by(name) }).collect())
    }
}

/// One batch of one message, from `from` to `to`, signed by `by` under the id of `named`.
struct Sealed<'a> {
    from: &'a str,
    to: &'a str,
    session: SessionId,
    stream: u64,
    number: u64,
    by: &'a SigningKey,
    named: &'a SigningKey,
}

impl Sealed<'_> {
    /// The same with a signature of the message's own.
    fn each(&self, message: Bytes) -> Bytes {
        let (from, to) = (cluster(self.from), cluster(self.to));
        let (stream, number) = (self.stream, self.number);
        let bytes = sign::message_bytes(&from, &to, &self.session, stream, number, 0, &message);
        let signed = Signed::Each(key_id(self.named), vec![signature(self.by, &bytes)]);
        Frame::Batch(Batch { stream, number, messages: vec![message], signed }).encode()
    }

    fn frame(&self, message: Bytes) -> Bytes {
        let messages = vec![message];
        let (from, to) = (cluster(self.from), cluster(self.to));
        let (stream, number) = (self.stream, self.number);
        let root = root(&messages);
        let bytes = sign::batch_bytes(&from, &to, &self.session, stream, number, 1, &root);
        let signed = Signed::Batch(key_id(self.named), signature(self.by, &bytes));
        Frame::Batch(Batch { stream, number, messages, signed }).encode()
    }
}

fn names(from: usize, n: usize) -> Vec<String> {
    (from..from + n).map(|n| format!("d{n}")).collect()
}

/// The target after `x` has told its routes to these clusters, and the session of the connections
/// over which the rest comes.
fn told(names: &[String]) -> (Target, SessionId) {
    let mut target = Target::new(names);
    let x = key("x", 0);
    let (id, session) = target.connect("x", 1);
    for (n, name) in names.iter().enumerate() {
        let message: Message = route(&["x", name]).into();
        let number = n as u64 + 1;
        let sealed =
            Sealed { from: "x", to: "a", session, stream: STREAM, number, by: &x, named: &x };
        target.hear(id, sealed.frame(message.to_bytes()));
    }
    assert_eq!(target.accepted().0, names.len() as u64);
    let ours = target.ours.clone().unwrap();
    (target, SessionId::of(&open_of("x", "a", 2), &ours))
}

fn flipped(bytes: &Bytes, bit: usize) -> Bytes {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped.into()
}

/// The frames whose bits are flipped: of ten one announces another latency, with the claim; one
/// withdraws under a signature of its own; the others withdraw under one of the batch.
fn touched(names: &[String], session: SessionId) -> Vec<Bytes> {
    let x = key("x", 0);
    let frame = |n: usize, name: &String| {
        let stream = STREAM + 1 + n as u64;
        let sealed = Sealed { from: "x", to: "a", session, stream, number: 1, by: &x, named: &x };
        match n % 10 {
            0 => sealed.frame(Message::from(route(&["x", name]).latency(7)).to_bytes()),
            1 => sealed.each(gone(name).to_bytes()),
            _ => sealed.frame(gone(name).to_bytes()),
        }
    };
    names.iter().enumerate().map(|(n, name)| frame(n, name)).collect()
}

/// Flips each bit of a frame about each of these; how many were refused.
fn flips(names: &[String]) -> u64 {
    let (mut target, session) = told(names);
    let frames = touched(names, session);
    let (before, stands) = (target.accepted(), target.stands(names));
    let mut n = 0;
    for (name, frame) in names.iter().zip(&frames) {
        for bit in 0..frame.len() * 8 {
            target.hear_apart("x", 2, flipped(frame, bit));
            assert_eq!(target.accepted(), before, "{name}, bit {bit}");
            n += 1;
        }
    }
    assert_eq!(target.stands(names), stands);
    assert!(target.n_verified > n / 2, "most were readable, and were verified");
    for frame in frames {
        target.hear_apart("x", 2, frame);
    }
    let after = target.accepted();
    let accepted = after.0 - before.0 + after.1 - before.1;
    assert_eq!(accepted, names.len() as u64, "untouched, each is accepted");
    n
}

/// A neighbour whose own signatures are good relays what others claim, with any bit changed.
fn changed_claims(names: &[String]) -> u64 {
    let (mut target, session) = told(&[]);
    let x = key("x", 0);
    target.input(Input::Keys { cluster: cluster("d0"), keys: vec![] });
    for name in names {
        let keys = vec![record(&key(name, 0))];
        target.input(Input::Keys { cluster: cluster(name), keys });
    }
    let before = target.accepted();
    let (mut n, mut stream) = (0, STREAM + 1);
    let mut say = |target: &mut Target, message: Bytes| {
        let sealed = Sealed { from: "x", to: "a", session, stream, number: 1, by: &x, named: &x };
        target.hear_apart("x", 2, sealed.frame(message));
        stream += 1;
    };
    for name in names {
        let said = route(&["x", name]);
        let claim = said.said.routes[0].claim.clone();
        let message = Message::from(said).to_bytes();
        for bit in 0..message.len() * 8 {
            let changed = flipped(&message, bit);
            if let Ok(Message::Announce(said)) = Message::decode(&changed)
                && said.routes[0].claim == claim
                && said.routes[0].destination == to(name)
                && said.scope == scope("fabric")
            {
                // Path, metrics and tags are the neighbour's own word.
                continue;
            }
            say(&mut target, changed);
            n += 1;
            let after = target.accepted();
            assert_eq!((after.0, after.1), (before.0, before.1), "{name}, bit {bit}");
        }
    }
    assert_eq!(target.stands(names).1, [] as [&str; 0]);
    for name in names {
        say(&mut target, Message::from(route(&["x", name])).to_bytes());
    }
    assert_eq!(target.accepted().0 - before.0, names.len() as u64, "as they were made, they are");
    n
}

/// Claims and key sets that somebody made up, and what was good elsewhere or before.
fn made_up(n_each: usize) -> u64 {
    let names = names(0, 4);
    let (mut target, session) = told(&names);
    let (x, y, thief) = (key("x", 0), key("y", 0), key("thief", 9));
    let d0 = key("d0", 0);
    let good = gone("d0").to_bytes();
    let theirs = target.ours.clone().unwrap();
    let elsewhere = SessionId::of(&open_of("x", "a", 77), &theirs);
    let (_, to_y) = target.connect("y", 2);
    let (before, stands) = (target.accepted(), target.stands(&names));
    let mut n = 0;
    let mut stream = STREAM + 1;
    for round in 0..n_each {
        stream += 1;
        let from_x = Sealed { from: "x", to: "a", session, stream, number: 1, by: &x, named: &x };
        // Who isn't the neighbour, whatever key is named; and what is meant for others.
        let frames = [
            Sealed { by: &thief, ..from_x },
            Sealed { by: &thief, named: &thief, ..from_x },
            Sealed { by: &y, named: &y, ..from_x },
            Sealed { by: &y, ..from_x },
            Sealed { to: "b", ..from_x },
            Sealed { from: "y", ..from_x },
            Sealed { session: elsewhere, ..from_x },
            Sealed { stream: STREAM - 1, ..from_x },
            Sealed { number: 2, ..from_x },
        ];
        for sealed in &frames {
            target.hear_apart("x", 2, sealed.frame(good.clone()));
        }
        target.hear_apart("y", 3, from_x.frame(good.clone()));
        // Claims that another neighbour relays, under a good signature of its own.
        let from_y = Sealed { from: "y", session: to_y, by: &y, named: &y, ..from_x };
        let older = Claim { incarnation: BOOT - 1, ..claim("d0", 1) };
        let later = Claim { sequence: round as u64 + 2, ..claim("d0", 1) };
        let made = [
            signed("fabric", later.clone(), &thief),
            Claim { key: key_id(&d0), ..signed("fabric", later.clone(), &thief) },
            Claim { key: key_id(&d0), ..signed("fabric", later.clone(), &x) },
            signed("services", later.clone(), &d0),
            signed("fabric", older, &d0),
            Claim { tags: tags(&["gold"]), ..signed("fabric", later.clone(), &d0) },
            Claim { withdrawn: true, ..signed("fabric", later.clone(), &d0) },
            Claim { sequence: later.sequence + 1, ..signed("fabric", later, &d0) },
        ];
        for claim in made {
            let announced = Message::from(route(&["y", "d0"]).claim(Some(claim.clone())));
            target.hear_apart("y", 2, next(&mut stream, &from_y, announced));
            let withdrawn = Claim { withdrawn: true, ..claim };
            let renewed = Message::Renew(scope("fabric"), withdrawn.clone());
            target.hear_apart("y", 2, next(&mut stream, &from_y, renewed));
            let held = Message::Held(scope("fabric"), withdrawn);
            target.hear_apart("y", 2, next(&mut stream, &from_y, held));
        }
        // Keys that nobody vouches for: the set names a key of d0's, and another signed it.
        for by in [&thief, &x] {
            let set = key_set("d0", round as u64 + 1, &[(&thief, None)], &d0, by);
            target.hear_apart("y", 2, next(&mut stream, &from_y, Message::Keys(set)));
        }
        n += frames.len() as u64 + 1 + 8 * 3 + 2;
        let after = target.accepted();
        assert_eq!((after.0, after.1, after.3), (before.0, before.1, before.3), "round {round}");
    }
    assert_eq!(target.stands(&names), stands);
    n
}

fn next(stream: &mut u64, like: &Sealed<'_>, message: Message) -> Bytes {
    *stream += 1;
    Sealed { stream: *stream, ..*like }.frame(message.to_bytes())
}

#[test]
fn p03_what_a_stranger_signs_is_refused_whatever_key_it_names() {
    assert!(made_up(1) > 30);
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the test has threads; the core that it asks has none"
)]
fn of_a_million_mutated_and_forged_messages_none_is_accepted() {
    let half = N_FRAMES / 2;
    let (flips, claims, made) = std::thread::scope(|scope| {
        let one = scope.spawn(move || flips(&names(0, half)));
        let other = scope.spawn(move || flips(&names(half, N_FRAMES - half)));
        let made = scope.spawn(|| made_up(3_600));
        let claims = changed_claims(&names(0, 60));
        (one.join().unwrap() + other.join().unwrap(), claims, made.join().unwrap())
    });
    let all = flips + claims + made;
    println!(
        "{all} refused: {flips} flipped bits of {N_FRAMES} frames, {claims} changed claims, {made} \
         made up or replayed"
    );
    assert!(all >= GOAL, "{all}");
}
