//! `rutter demo fabric`: a service of one cluster, asked for in another, while what lies between
//! dies, changes its policy, and changes its key.
//!
//! Four clusters of this machine, each a process of `rutter run` on ports of loopback: a, with a
//! service; d, where people ask for it; b and c between them. Nobody needs to be root. People ask all
//! the time, and not one of their requests may fail. What is told is what was seen; a failure ends it
//! with an error, so it is a test as well.

mod clusters;
mod people;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::{say, wait};
use clusters::{Clusters, Name};
use people::{People, Service};

/// The service of cluster a.
const HOST: &str = "web.a.test";

/// How long the key before counts in the demonstration.
const OVERLAP: &str = "2s";

/// Tells it all.
pub(super) fn tell() -> anyhow::Result<()> {
    let service = Service::start()?;
    let mut clusters = Clusters::start(service.address())?;
    say(
        "Four clusters run on this machine, a process of `rutter run` each, with keys of their own:\n\n   \
         a ── b ── d\n   └─── c ───┘\n\n\
         A service runs beside a: web.a.test. People ask for it at d's gateway, each 10 ms.\n",
    )?;
    wait("d knows both ways", || Ok(clusters.ways_of_d()? == ["b", "c"]))?;
    let gateway = clusters.gateway(Name::D);
    wait("d serves it", || Ok(people::ask(gateway, HOST).is_ok_and(|answer| answer.0 == 200)))?;
    let people = People::start(gateway, HOST);
    wait("they are answered", || Ok(people.n_answered() >= 20))?;
    say("1. What d was told, and by whom (`rutter fabric trace a`):\n")?;
    say(&indented(&clusters.rutter(Name::D, &["fabric", "trace", "a"])?))?;
    death(&mut clusters, &people)?;
    policy(&mut clusters, &people)?;
    rotation(&clusters, &people)?;
    forgery(&clusters)?;
    say("6. And why is it so? `rutter routes explain web.a.test` at d names each table:\n")?;
    let why = clusters.rutter(Name::D, &["routes", "explain", HOST])?;
    ensure!(why.contains("fabric: a by neighbour/"), "the tables aren't named:\n{why}");
    say(&indented(&why))?;
    let (asked, failed) = people.end();
    ensure!(failed.is_empty(), "{} of {asked} requests failed: {failed:?}", failed.len());
    say(&format!("Of {asked} requests not one failed."))?;
    clusters.end()
}

/// The cluster that requests go through dies, and comes back.
fn death(clusters: &mut Clusters, people: &People) -> anyhow::Result<()> {
    let best = clusters.best_of_d()?;
    let other = if best == Name::B { Name::C } else { Name::B };
    say(&format!(
        "2. Requests go through {best}. It is killed (SIGKILL: it says nothing to anybody):\n"
    ))?;
    let killed = Instant::now();
    clusters.kill(best)?;
    wait("the other way", || Ok(clusters.ways_of_d()? == [other.as_str()]))?;
    let took = killed.elapsed();
    let slowest = people.goes_on(killed)?;
    say(&format!(
        "   After {} ms d knows of one way, through {other}. No request failed; the slowest took {} ms.\n",
        took.as_millis(),
        slowest.as_millis()
    ))?;
    clusters.start_again(best)?;
    wait("both ways", || Ok(clusters.ways_of_d()? == ["b", "c"]))?;
    say(&format!("   {best} is started again, and d knows both ways.\n"))
}

/// A neighbour changes its mind about what it tells.
fn policy(clusters: &mut Clusters, people: &People) -> anyhow::Result<()> {
    say(
        "3. b's people decide that it tells d of no service (`policy.carry.services` in its file, then a\n   \
         reload). d still knows that a is reached through b, and has the service by c alone:\n",
    )?;
    let changed = Instant::now();
    clusters.b_tells_services(false)?;
    let by_b = |clusters: &Clusters| {
        let told = clusters.rutter(Name::D, &["routes", "list", "--table", "services"])?;
        anyhow::Ok(told.contains("neighbour/b"))
    };
    wait("d forgets it", || Ok(!by_b(clusters)?))?;
    ensure!(clusters.ways_of_d()? == ["b", "c"], "the way to the cluster went with the service");
    people.goes_on(changed)?;
    say(&indented(&clusters.rutter(Name::D, &["routes", "list", "--table", "services"])?))?;
    clusters.b_tells_services(true)?;
    wait("d hears of it", || by_b(clusters))?;
    say("   b tells of it again.\n")
}

/// A cluster changes its key.
fn rotation(clusters: &Clusters, people: &People) -> anyhow::Result<()> {
    say(&format!(
        "4. a changes its key (`rutter fabric keys rotate --overlap {OVERLAP}`). Its neighbours hear of the\n   \
         new one under the old, and tell d:\n"
    ))?;
    let key = |at| clusters.keys_of_a(at);
    let before = key(Name::D)?;
    let rotated = Instant::now();
    say(&indented(
        &clusters.rutter(Name::A, &["fabric", "keys", "rotate", "--overlap", OVERLAP])?,
    ))?;
    wait("d knows the new key", || Ok(key(Name::D)?.iter().any(|key| !before.contains(key))))?;
    let took = rotated.elapsed();
    wait("the old key ends", || Ok(key(Name::D)?.iter().all(|key| !before.contains(key))))?;
    people.goes_on(Instant::now())?;
    ensure!(clusters.ways_of_d()? == ["b", "c"], "a route was lost with the key");
    say(&format!(
        "   d knew it after {} ms; the old one has ended, and the routes stand.\n",
        took.as_millis()
    ))
}

/// Somebody pretends to be a neighbour.
fn forgery(clusters: &Clusters) -> anyhow::Result<()> {
    say(
        "5. Somebody asks at d with `Rutter-Via: 0; b, c`, as if the request had been there and might go no\n   \
         further. Only a neighbour, proven by its key, may say so:\n",
    )?;
    let forged = people::ask_with(clusters.gateway(Name::D), HOST, "Rutter-Via: 0; b, c\r\n");
    let (status, body) = forged.context("the forged request")?;
    ensure!(status == 200, "it was believed: {status} {body}");
    ensure!(!body.to_ascii_lowercase().contains("rutter-via"), "it came through:\n{body}");
    say(&format!("   {status}: the header was dropped, and the service answered.\n"))
}

/// How long what was under way at a moment may still be under way.
const STILL: Duration = Duration::from_millis(500);

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("   {line}\n")).collect()
}
