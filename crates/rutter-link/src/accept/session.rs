//! One session, seen from the accepting end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use rutter_route::NodeId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::node::ForNode;
use super::observed::Observations;
use super::service::Shared;
use super::subscribe::Subscriptions;
use super::{AGAIN, Admitted, Announced};
use crate::talk::{Ended, RESTART, Talk};
use crate::wire::v1::{self, frame::Body};
use crate::wire::{frame, millis, observation, said};
use crate::{Caller, Peer, Refusal, RefusalCode};

/// Speaks with a dialer until one of the two ends it.
pub(crate) async fn run<S>(shared: Arc<Shared>, peer: Peer, heard: S, said: mpsc::Sender<v1::Frame>)
where
    S: Stream<Item = Result<v1::Frame, Status>> + Unpin + Send,
{
    let from = peer.from;
    let mut talk = Talk::new(heard, said, shared.config.pulse);
    let mut session = match begin(&shared, &peer, &mut talk).await {
        Ok(begun) => begun,
        Err(ended) => return farewell(&talk, &ended, from).await,
    };
    let name = session.name.clone();
    tracing::info!(name, %from, incarnation = session.incarnation, "a link session begins");
    let ended = session.until_the_end(&shared, &mut talk).await;
    session.close(&shared, matches!(ended, End::Theirs(Ended::Bye { .. }))).await;
    tracing::info!(name, %from, why = %ended, "a link session has ended");
    farewell(&talk, &ended, from).await;
}

/// Why a session ends.
enum End {
    /// By what the other end does.
    Theirs(Ended),
    /// By us.
    Ours(Refusal),
    /// By us, and not for long.
    Restart { why: &'static str, back_within: Duration },
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        Self::Theirs(ended)
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Ours(refusal)
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Theirs(ended) => ended.fmt(f),
            Self::Ours(refusal) => f.write_str(&refusal.why),
            Self::Restart { why, .. } => f.write_str(why),
        }
    }
}

/// Says why it ends, to whom may still listen.
async fn farewell<S>(talk: &Talk<S>, end: &End, from: SocketAddr)
where
    S: Stream<Item = Result<v1::Frame, Status>> + Unpin,
{
    let of = |refusal: &Refusal| v1::Bye {
        code: refusal.code.to_string(),
        why: refusal.why.clone(),
        back_within_ms: 0,
    };
    let bye = match end {
        End::Ours(refusal) => of(refusal),
        End::Restart { why, back_within } => v1::Bye {
            code: RESTART.to_owned(),
            why: (*why).to_owned(),
            back_within_ms: millis(*back_within),
        },
        End::Theirs(Ended::Protocol(why)) => of(&Refusal::new(RefusalCode::Protocol, why)),
        End::Theirs(Ended::Silent(_)) => of(&Refusal::new(RefusalCode::Silent, end)),
        End::Theirs(Ended::Bye { .. } | Ended::Broken(_)) => return,
    };
    tracing::debug!(%from, bye.code, bye.why, "a link session is refused or ended");
    // A way out that is full belongs to one who doesn't read: it will see the stream end.
    let _unheard = talk.way_out().try_send(frame(Body::Bye(bye)));
}

struct Session {
    caller: Caller,
    name: String,
    incarnation: u64,
    subscriptions: Subscriptions,
    observations: Observations,
    announced: Option<Box<dyn Announced>>,
    for_node: ForNode,
    changed: CancellationToken,
    superseded: CancellationToken,
}

async fn begin<S>(shared: &Arc<Shared>, peer: &Peer, talk: &mut Talk<S>) -> Result<Session, End>
where
    S: Stream<Item = Result<v1::Frame, Status>> + Unpin,
{
    let greeted = talk.greeted().await?;
    let caller = peer.proof.caller(&greeted.name)?;
    let admitted = shared.admission.admit(&caller, peer.from).await?;
    let Admitted { name, incarnation, pulse, asks, changed, domain, offers, announced, .. } =
        admitted;
    let (your_node, your_addresses) = admitted.node.unzip();
    let your_addresses = your_addresses.unwrap_or_default();
    // After the caller was found to be somebody: a stranger ends nobody's session.
    let superseded = shared.sessions.enter(&caller);
    tracing::debug!(name, software = greeted.software, revision = greeted.revision, "admitted");
    talk.set_pulse(pulse.unwrap_or(shared.config.pulse));
    if let Some(asks) = asks {
        talk.expect_every(asks);
    }
    let observations = Observations::new(&name, &offers);
    let subscriptions = Subscriptions::new(&name, offers);
    let hello = v1::Hello {
        you_are: name.clone(),
        incarnation,
        your_address: peer.from.ip().to_canonical().to_string(),
        your_domain: domain.unwrap_or_default(),
        tables: subscriptions.tables(),
        your_node: your_node.map_or(0, |node: NodeId| node.0),
        your_addresses: your_addresses.iter().map(ToString::to_string).collect(),
        your_keepalive_ms: asks.map_or(0, |asks| millis(asks).try_into().unwrap_or(u32::MAX)),
        ..talk.hello(&shared.config.name)
    };
    let session = Session {
        caller,
        name,
        incarnation,
        subscriptions,
        observations,
        announced,
        for_node: ForNode::new(admitted.map, admitted.pings),
        changed,
        superseded,
    };
    if let Err(ended) = talk.say(Body::Hello(hello)).await {
        shared.sessions.leave(&session.caller, &session.superseded);
        return Err(ended.into());
    }
    Ok(session)
}

impl Session {
    async fn until_the_end<S>(&mut self, shared: &Arc<Shared>, talk: &mut Talk<S>) -> End
    where
        S: Stream<Item = Result<v1::Frame, Status>> + Unpin,
    {
        let mut recheck = tokio::time::interval(shared.config.pulse.keepalive);
        let out = talk.way_out();
        loop {
            let body = tokio::select! {
                body = talk.next() => match body {
                    Ok(body) => body,
                    Err(ended) => return ended.into(),
                },
                tell = tell(&mut self.for_node, &out) => match tell {
                    Ok(()) => continue,
                    Err(ended) => return ended.into(),
                },
                () = self.superseded.cancelled() => {
                    let why = "another session of this caller has begun";
                    return Refusal::new(RefusalCode::Superseded, why).into();
                }
                () = self.changed.cancelled() => {
                    let why = "what this caller may hear has changed";
                    return match shared.admission.knows(&self.caller) {
                        true => End::Restart { why, back_within: AGAIN },
                        false => forgotten(),
                    };
                }
                () = shared.stop.cancelled() => return match shared.admission.back_within() {
                    Some(back_within) => {
                        End::Restart { why: "the accepter restarts", back_within }
                    }
                    None => Refusal::new(RefusalCode::Shutdown, "the accepter ends").into(),
                },
                _ = recheck.tick() => {
                    if shared.admission.knows(&self.caller) {
                        continue;
                    }
                    return forgotten();
                }
            };
            if let Err(end) = self.take(shared, talk, body).await {
                return end;
            }
        }
    }

    async fn take<S>(&mut self, shared: &Arc<Shared>, talk: &Talk<S>, body: Body) -> Result<(), End>
    where
        S: Stream<Item = Result<v1::Frame, Status>> + Unpin,
    {
        match body {
            Body::Subscribe(asked) => {
                let (parked, out) = (&shared.parked, talk.way_out());
                self.subscriptions.subscribe(parked, &self.caller, asked, out).await?;
            }
            Body::Observe(observe) => self.observed(&observe).await,
            Body::Applied(applied) => self.for_node.applied(applied.number),
            Body::Pong(pong) => self.for_node.answered(pong.number),
            Body::Report(report) => self.subscriptions.reported(&report),
            Body::Update(update) => {
                let report = self.heard(update).await;
                talk.say(Body::Report(report)).await?;
            }
            // Handled by the conversation.
            Body::Hello(_) | Body::Keepalive(_) | Body::Bye(_) => {}
            // What an accepter says.
            Body::Map(_) | Body::Ping(_) => {}
            // What neighbours say, in sessions of their own.
            Body::Fabric(_) => {}
        }
        Ok(())
    }

    /// What the speaker says as a source. A refusal is an answer, not the session's end.
    async fn heard(&mut self, update: v1::Update) -> v1::Report {
        let (table, source) = (update.table.clone(), update.source.clone());
        let answered = match &mut self.announced {
            None => Err(Refusal::new(RefusalCode::NotAllowed, "this caller may say nothing")),
            Some(announced) => match said::decode_update(&update, &self.name) {
                Err(malformed) => Err(Refusal::new(RefusalCode::Invalid, malformed)),
                Ok((update, malformed)) => announced.heard(update).await.map(|mut report| {
                    report.outcomes.extend(malformed);
                    report
                }),
            },
        };
        said::encode_report(table, source, answered)
    }

    /// What the speaker sees: of a table that it is told of, or of what it has itself.
    async fn observed(&mut self, observe: &v1::Observe) {
        if self.observations.take(observe).await {
            return;
        }
        let (Some(announced), Ok(table)) = (&mut self.announced, observe.table.parse()) else {
            tracing::debug!(table = observe.table, "observations of a table not offered");
            return;
        };
        let mut seen = Vec::with_capacity(observe.observations.len());
        for wire in &observe.observations {
            match observation::decode(wire) {
                Ok(observation) => seen.push(observation),
                Err(malformed) => tracing::debug!(by = self.name, %malformed, "an observation"),
            }
        }
        announced.observed(table, seen).await;
    }

    async fn close(&mut self, shared: &Arc<Shared>, said: bool) {
        self.subscriptions.park(&shared.parked, &self.caller).await;
        shared.sessions.leave(&self.caller, &self.superseded);
        self.observations.clear().await;
        if let Some(announced) = &mut self.announced {
            announced.ended(said).await;
        }
    }
}

/// Tells a node the next thing when there is room for it, so that what it doesn't read waits where
/// later overwrites earlier. Cancelled, it has told nothing.
async fn tell(for_node: &mut ForNode, out: &mpsc::Sender<v1::Frame>) -> Result<(), Ended> {
    let Ok(room) = out.reserve().await else {
        return Err(Ended::Broken("the stream ended".into()));
    };
    room.send(frame(for_node.next().await));
    Ok(())
}

fn forgotten() -> End {
    Refusal::new(RefusalCode::NotKnown, "this caller is nobody any more").into()
}
