//! What was acknowledged survives `kill -9`.
//!
//! The test starts itself as a child that writes at full speed and prints the key of each write
//! as soon as it is acknowledged; kills it after a random number of lines; reads what is left in
//! the pipe; opens the directory; and looks for every key. The same directory serves all rounds,
//! so each also recovers from the ones before.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::{Identities, Incarnations, LeaseKey, Leases, NewLease, Page, Routes};
use rutter_route::Incarnation;

const TEST: &str = "sqlite::tests::kill::what_was_acknowledged_survives_kill_9_at_any_moment";
const CHILD_DIR: &str = "RUTTER_REGISTRY_TEST_CHILD_DIR";
const CHILD_ROUND: &str = "RUTTER_REGISTRY_TEST_CHILD_ROUND";
const ROUNDS: u64 = 20;
const WRITERS: u64 = 48;
/// How the test knows a child's own lines among those of the test harness.
const MARK: &str = "acknowledged ";

/// Ends the child however the test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait().map(drop)) {
            eprintln!("a child may still run: {error}");
        }
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        let round = std::env::var(CHILD_ROUND).unwrap();
        runtime.block_on(write_for_ever(Path::new(&dir), &round));
        unreachable!("the child writes until it is killed");
    }
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    let seed = u64::from_le_bytes(bytes);
    println!("seed {seed}");
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        // A number in 1..=1000, by the finaliser of splitmix64.
        let mut n = seed.wrapping_add((round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n_lines = 1 + (n ^ (n >> 27)) % 1000;
        for line in killed_after(n_lines, dir.path(), round) {
            acknowledged.note(&line);
        }
        runtime.block_on(acknowledged.check(dir.path(), round));
    }
    assert!(acknowledged.users.len() as u64 >= ROUNDS, "the children wrote hardly anything");
}

/// The keys that a child acknowledged before it was killed after `n_lines` of them.
fn killed_after(n_lines: u64, dir: &Path, round: u64) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", TEST, "--nocapture"]);
    command.env(CHILD_DIR, dir).env(CHILD_ROUND, round.to_string()).stdout(Stdio::piped());
    let mut child = Killed(command.spawn().unwrap());
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut keys = lines.map_while(|line| line.ok()).filter_map(|line| {
        let (_, key) = line.split_once(MARK)?;
        Some(key.to_owned())
    });
    let mut seen: Vec<String> = keys.by_ref().take(n_lines as usize).collect();
    assert_eq!(seen.len() as u64, n_lines, "the child of round {round} ended by itself");
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    seen.extend(keys);
    seen
}

#[derive(Default)]
struct Acknowledged {
    users: BTreeSet<String>,
    incarnations: BTreeSet<u64>,
    highest_before: u64,
}

impl Acknowledged {
    fn note(&mut self, key: &str) {
        match key.split_once(' ') {
            Some(("user", user)) => assert!(self.users.insert(user.to_owned()), "{user} twice"),
            Some(("incarnation", text)) => {
                let number = text.parse().unwrap();
                assert!(number > self.highest_before, "{number} is of an earlier life");
                assert!(self.incarnations.insert(number), "incarnation {number} was given twice");
            }
            // The last line may have been cut by the kill; what precedes it was whole.
            _ => println!("a line cut off: {key:?}"),
        }
    }

    async fn check(&mut self, path: &Path, round: u64) {
        let registry = open(path).await;
        let stored = all_leases(&registry).await;
        for key in &self.users {
            let found = registry.identity(&user(key)).await.unwrap();
            assert_eq!(found.and_then(|i| i.name), Some(name(key)), "{key} in round {round}");
            assert!(stored.contains(key), "the lease of {key} in round {round}");
        }
        self.highest_before = registry.next_incarnation().await.unwrap().0;
        assert!(Some(&self.highest_before) > self.incarnations.last());
        registry.close().await.unwrap();
    }
}

async fn all_leases(registry: &SqliteRegistry) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut page = Page::first(1000);
    loop {
        let part = registry.leases(NOW, page).await.unwrap();
        all.extend(part.iter().map(|l| l.key.user.to_string()));
        match part.last() {
            Some(last) => page = Page::after(last.key.clone(), 1000),
            None => return all,
        }
    }
}

async fn write_for_ever(path: &Path, round: &str) {
    let registry = open(path).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (registry, round) = (Arc::clone(&registry), round.to_owned());
            tokio::spawn(async move {
                for i in 0u64.. {
                    let key = format!("r{round}w{writer}i{i}");
                    let incarnation = registry.next_incarnation().await.unwrap();
                    tell(&format!("incarnation {}", incarnation.0));
                    write_one(&registry, &key, incarnation).await;
                    tell(&format!("user {key}"));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn write_one(registry: &SqliteRegistry, key: &str, incarnation: Incarnation) {
    registry.claim(NOW, claim_of(key, key)).await.unwrap();
    let lease = NewLease {
        key: LeaseKey { user: user(key), source: "agent".parse().unwrap() },
        incarnation,
        lease: Duration::from_secs(600),
        routes: Routes::encode(&[key]).unwrap(),
    };
    registry.put_lease(NOW, lease).await.unwrap();
}

/// One write of a whole line, past the harness's buffers: a kill leaves whole lines.
fn tell(key: &str) {
    std::io::stdout().write_all(format!("{MARK}{key}\n").as_bytes()).unwrap();
}
