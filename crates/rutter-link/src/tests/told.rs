//! A sink over a link: what it holds becomes what the table holds, whatever is cut.

use std::collections::BTreeMap;

use rutter_book::BookHandle;
use rutter_rib::{Batch, Depth, Tell, ToldRoute};
use rutter_route::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::testing::*;
use crate::*;

fn session() -> Session {
    Session { source: "agent/a".parse().unwrap(), incarnation: Incarnation(1) }
}

/// Makes the table hold exactly these, by their hops.
async fn say<D: Family>(book: &BookHandle, name: &str, all: Vec<(D, String)>) {
    let name = table(name);
    let said = book.apply(move |book, now| {
        let table = book.table_mut::<D>(&name).unwrap();
        table.source(now, &session(), SourceState::Up(SourceInfo::default())).unwrap();
        table.begin_refresh(now, &session());
        for (destination, hop) in all {
            let hop = Attributes::via(hop.parse().unwrap());
            table.advertise(now, &session(), Advertisement::new(destination, hop));
        }
        table.end_of_refresh(now, &session());
    });
    said.await.unwrap();
}

/// What a sink holds.
struct Sink<D: Family> {
    uplink: Uplink<D>,
    holds: BTreeMap<D, Vec<ToldRoute>>,
    doubtful: BTreeMap<D, Vec<ToldRoute>>,
    n_snapshots: usize,
    n_tells: usize,
    losses: Vec<LinkError>,
}

impl<D: Family> Sink<D> {
    fn new(dialer: std::sync::Arc<Dialer>, name: &str) -> Self {
        let spec = SinkSpec { table: table(name), depth: Depth::All, unreachable: false };
        Self {
            uplink: Uplink::start(dialer, spec, eager()),
            holds: BTreeMap::new(),
            doubtful: BTreeMap::new(),
            n_snapshots: 0,
            n_tells: 0,
            losses: Vec::new(),
        }
    }

    async fn step(&mut self) -> &'static str {
        match soon(self.uplink.next()).await.unwrap() {
            Heard::Up { .. } => "up",
            Heard::Lost(why) => {
                self.losses.push(why);
                "lost"
            }
            Heard::Batch { batch, .. } => {
                self.take(batch);
                "batch"
            }
        }
    }

    async fn until(&mut self, word: &str) {
        while self.step().await != word {}
    }

    fn take(&mut self, batch: Batch<D>) {
        if batch.begin_snapshot {
            self.n_snapshots += 1;
            self.doubtful = self.holds.clone();
        }
        self.n_tells += batch.tells.len();
        for tell in batch.tells {
            self.doubtful.remove(tell.destination());
            match tell {
                Tell::Advertise { destination, routes, .. } => {
                    self.holds.insert(destination, routes);
                }
                Tell::Withdraw { destination, .. } => {
                    self.holds.remove(&destination);
                }
            }
        }
        if batch.end_of_snapshot {
            for gone in std::mem::take(&mut self.doubtful).into_keys() {
                self.holds.remove(&gone);
            }
        }
    }

    async fn until_it_holds(&mut self, expected: &[(D, String)]) {
        let hop = |routes: &Vec<ToldRoute>| routes[0].attributes.next_hop.to_string();
        let expected: BTreeMap<D, String> = expected.iter().cloned().collect();
        loop {
            let holds = self.holds.iter().map(|(d, routes)| (d.clone(), hop(routes)));
            if holds.collect::<BTreeMap<_, _>>() == expected {
                return;
            }
            self.step().await;
        }
    }
}

/// A cable that can be cut, or left hanging without a word.
struct Cable {
    address: std::net::SocketAddr,
    mode: watch::Sender<Mode>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Carries,
    Cut,
    Hangs,
}

impl Cable {
    async fn to(target: std::net::SocketAddr) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (mode, watched) = watch::channel(Mode::Carries);
        tokio::spawn(async move {
            while let Ok((near, _)) = socket.accept().await {
                if *watched.borrow() == Mode::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(target).await else { continue };
                tokio::spawn(carry(near, far, watched.clone()));
            }
        });
        Self { address, mode }
    }

    fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn carry(mut near: TcpStream, mut far: TcpStream, mut mode: watch::Receiver<Mode>) {
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Cut => {
                let _gone = (near.shutdown().await, far.shutdown().await);
                return;
            }
            Mode::Carries => {}
            Mode::Hangs => {
                if mode.changed().await.is_err() {
                    return;
                }
                continue;
            }
        }
        tokio::select! {
            ended = tokio::io::copy_bidirectional(&mut near, &mut far) => {
                let _how = ended;
                return;
            }
            changed = mode.changed() => if changed.is_err() { return },
        }
    }
}

async fn family<D: Family>(name: &str, destinations: [&str; 4]) {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, _said) = Gate::new(book.clone());
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let key = LinkKey::generate().unwrap();
    gate.let_in(key.public().unwrap(), "gateway/edge");
    let [a, b, c, d] = destinations.map(|text| text.parse::<D>().unwrap());
    let hop = |n: u8| format!("10.0.0.{n}");
    let first = vec![(a.clone(), hop(1)), (b.clone(), hop(2))];
    say(&book, name, first.clone()).await;
    let mut sink = Sink::new(dialer(accepting.address, &ca, &key), name);
    sink.until_it_holds(&first).await;
    let second = vec![(b, hop(3)), (c, hop(4)), (d, hop(5))];
    say(&book, name, second.clone()).await;
    sink.until_it_holds(&second).await;
    assert_eq!(sink.n_snapshots, 1);
    // The accepter ends and comes back on the same address with another table.
    let address = accepting.address;
    accepting.end().await;
    sink.until("lost").await;
    assert!(!sink.holds.is_empty(), "a lost session withdraws nothing");
    let third = vec![(a, hop(6))];
    say(&book, name, third.clone()).await;
    let accepting = Accepting::start(address, &ca, gate);
    sink.until_it_holds(&third).await;
    assert_eq!(sink.n_snapshots, 2, "an accepter that is new has nothing to resume");
    accepting.end().await;
}

#[tokio::test]
async fn prefixes_are_told() {
    family::<Prefix>("prefixes", ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "0.0.0.0/0"]).await;
}

#[tokio::test]
async fn services_are_told() {
    family::<Service>("services", ["a.localhost", "b.localhost", "tcp:c.localhost", "d"]).await;
}

#[tokio::test]
async fn clusters_are_told() {
    family::<ClusterId>("clusters", ["north", "east", "south", "west"]).await;
}

/// After a cut, only what followed is told; after so much that the accepter can't know, all.
#[tokio::test]
async fn a_session_that_comes_back_is_told_what_it_missed() {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, _said) = Gate::new(book.clone());
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let cable = Cable::to(accepting.address).await;
    let key = LinkKey::generate().unwrap();
    gate.let_in(key.public().unwrap(), "gateway/edge");
    let service = |n: usize| format!("s{n}.localhost").parse::<Service>().unwrap();
    let all =
        |hop: &str, n: usize| -> Vec<_> { (0..n).map(|n| (service(n), hop.to_owned())).collect() };
    let mut expected = all("http://10.0.0.1:80", 2_000);
    say(&book, "services", expected.clone()).await;
    let mut sink = Sink::new(dialer(cable.address, &ca, &key), "services");
    sink.until_it_holds(&expected).await;
    for round in 0..3 {
        let n_before = sink.n_tells;
        cable.set(Mode::Cut);
        sink.until("lost").await;
        expected[round].1 = "http://10.0.0.2:80".into();
        expected.pop();
        say(&book, "services", expected.clone()).await;
        cable.set(Mode::Carries);
        sink.until_it_holds(&expected).await;
        assert_eq!(sink.n_snapshots, 1, "round {round}");
        assert!(sink.n_tells - n_before < 20, "{} tells for 2 changes", sink.n_tells - n_before);
    }
    accepting.end().await;
}

/// A peer that is stopped keeps its sockets: only its silence shows.
#[tokio::test]
async fn silence_ends_a_session_and_the_next_goes_on() {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, _said) = Gate::new(book.clone());
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let cable = Cable::to(accepting.address).await;
    let key = LinkKey::generate().unwrap();
    gate.let_in(key.public().unwrap(), "gateway/edge");
    let expected = vec![("web.localhost".parse::<Service>().unwrap(), "http://10.0.0.1:80".into())];
    let mut sink = Sink::new(dialer(cable.address, &ca, &key), "services");
    sink.until("up").await;
    cable.set(Mode::Hangs);
    sink.until("lost").await;
    assert!(sink.losses[0].to_string().contains("nothing was heard"), "{:?}", sink.losses);
    say(&book, "services", expected.clone()).await;
    cable.set(Mode::Carries);
    sink.until_it_holds(&expected).await;
    accepting.end().await;
}

/// An accepter that ends for a while says so; one whose offer has changed asks the sink to begin
/// again, which goes on where it was.
#[tokio::test]
async fn an_end_that_isnt_for_long_is_said_to_be_so() {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, _said) = Gate::new(book.clone());
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let key = LinkKey::generate().unwrap();
    gate.let_in(key.public().unwrap(), "gateway/edge");
    let expected = vec![("web.localhost".parse::<Service>().unwrap(), "http://10.0.0.1:80".into())];
    say(&book, "services", expected.clone()).await;
    let mut sink = Sink::new(dialer(accepting.address, &ca, &key), "services");
    sink.until_it_holds(&expected).await;
    gate.change();
    sink.until("lost").await;
    let back_in = |sink: &Sink<Service>| match sink.losses.last() {
        Some(LinkError::Restarts { back_within, .. }) => *back_within,
        other => panic!("{other:?}"),
    };
    assert_eq!(back_in(&sink), AGAIN);
    // Nothing is new, and the sink hears that, too.
    sink.until("batch").await;
    assert_eq!((sink.n_snapshots, sink.n_tells), (1, 1));
    let minute = std::time::Duration::from_secs(60);
    *gate.back_within.lock().unwrap() = Some(minute);
    accepting.end().await;
    sink.until("lost").await;
    assert_eq!(back_in(&sink), minute);
}

#[tokio::test]
async fn strangers_and_those_who_were_known_are_told_so() {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, _said) = Gate::new(book);
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let key = LinkKey::generate().unwrap();
    let dialer = dialer(accepting.address, &ca, &key);
    let mut stranger = Sink::<Service>::new(dialer.clone(), "services");
    stranger.until("lost").await;
    let code = |sink: &Sink<Service>| match sink.losses.last() {
        Some(LinkError::Refused { code, .. }) => code.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code(&stranger), "not_known");
    drop(stranger);
    let refused = soon(dialer.enrol("rtj_bad", "edge", "gateway")).await.unwrap_err();
    assert!(matches!(&refused, LinkError::Refused { code, .. } if code == "token"), "{refused}");
    soon(dialer.enrol("rtj_good", "edge", "gateway")).await.unwrap();
    let mut known = Sink::<Service>::new(dialer, "services");
    known.until("batch").await;
    gate.shut_out(key.public().unwrap());
    known.until("lost").await;
    assert_eq!(code(&known), "not_known");
    accepting.end().await;
}

#[tokio::test]
async fn a_key_has_one_session_and_a_table_must_be_offered() {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, _said) = Gate::new(book);
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let key = LinkKey::generate().unwrap();
    gate.let_in(key.public().unwrap(), "gateway/edge");
    let dialer = dialer(accepting.address, &ca, &key);
    let code = |losses: &[LinkError]| match losses.last() {
        Some(LinkError::Refused { code, .. }) => code.clone(),
        other => panic!("{other:?}"),
    };
    let mut first = Sink::<Service>::new(dialer.clone(), "services");
    first.until("batch").await;
    let mut wrong_kind = Sink::<Prefix>::new(dialer.clone(), "services");
    first.until("lost").await;
    assert_eq!(code(&first.losses), "superseded");
    drop(first);
    while !wrong_kind
        .losses
        .iter()
        .any(|l| matches!(l, LinkError::Refused { code, .. } if code == "invalid"))
    {
        wrong_kind.step().await;
    }
    drop(wrong_kind);
    let mut elsewhere = Sink::<Prefix>::new(dialer, "secrets");
    while !elsewhere
        .losses
        .iter()
        .any(|l| matches!(l, LinkError::Refused { code, .. } if code == "not_allowed"))
    {
        elsewhere.step().await;
    }
    accepting.end().await;
}

/// What a sink sees is shown where the route comes from, moves nothing, comes back with the
/// session, and ends with it.
#[tokio::test]
async fn observations_are_shown_and_end_with_the_session() {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, _said) = Gate::new(book.clone());
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let key = LinkKey::generate().unwrap();
    gate.let_in(key.public().unwrap(), "gateway/edge");
    let web: Service = "web.localhost".parse().unwrap();
    let expected = vec![(web.clone(), "http://10.0.0.1:80".to_owned())];
    say(&book, "services", expected.clone()).await;
    let mut sink = Sink::new(dialer(accepting.address, &ca, &key), "services");
    sink.until_it_holds(&expected).await;
    let route = sink.holds[&web][0].route.clone();
    let is = Seen::Unhealthy { why: "refused".into(), left: None };
    sink.uplink.observe([Observation { destination: web.clone(), route, is }]);
    shown(&book, &web, &["gateway/edge"]).await;
    let address = accepting.address;
    accepting.end().await;
    shown(&book, &web, &[]).await;
    let accepting = Accepting::start(address, &ca, gate);
    // It is the uplink that says it again.
    let (shown, ()) = tokio::join!(shown(&book, &web, &["gateway/edge"]), async {
        sink.until("up").await;
    });
    assert_eq!(shown, Standing::Eligible, "another's verdict moves nothing");
    accepting.end().await;
}

/// Waits until `explain` shows these observations; the route's standing.
async fn shown(book: &BookHandle, web: &Service, expected: &[&str]) -> Standing {
    soon(async {
        loop {
            let told = book.explain(table("services"), web.clone()).await.unwrap().unwrap();
            let candidate = &told.candidates[0];
            let shown = &candidate.observed;
            let as_expected = shown.len() == expected.len()
                && shown.iter().zip(expected).all(|(shown, part)| shown.contains(part));
            if as_expected {
                return candidate.standing;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}
