//! `rutter up` is killed fifty times while agents register as fast as they can.
//!
//! Whatever was acknowledged before a SIGKILL is there after the start that follows: the identity,
//! its routes, and their way through the gateway, before any agent has said them again. Nobody
//! registers between a kill and the end of the checks, so what is found can only have been kept.
//!
//! What was acknowledged in a cycle is asked for after its kill, and everything once more at the
//! end; the counts that the start tells are compared in every cycle. In between, some starts are
//! killed too, at any moment of them.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::support::origin::Origin;
use crate::support::visit::{get, visitor};
use crate::support::{Running, up};
use crate::{told, until};

const KILLS: usize = 50;
/// Of each kind: those that join, and those with a name, a key and a signature.
const REGISTRARS: usize = 3;
/// A kill comes within this time after the first acknowledgement.
const KILLED_WITHIN: Duration = Duration::from_millis(200);
/// After so many kills a start is killed as well, within the time that a start takes.
const KILLED_AT_START: (usize, Duration) = (10, Duration::from_millis(120));

/// What was acknowledged of one user.
#[derive(Debug, Clone)]
struct Acknowledged {
    name: String,
    user: String,
    has_lease: bool,
}

/// All that was acknowledged, in its order.
type Notes = Arc<Mutex<Vec<Acknowledged>>>;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_under_registrations_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let home = Origin::start("home").await;
    let (mut dice, notes) = (Dice::new(), Notes::default());
    let (mut starts, mut firsts) = (Vec::new(), Vec::new());
    let mut program = Program::start(&data).await;
    let join = program.join_token().await;
    let mut n_before = 0;
    for kill in 0..KILLS {
        let registering = program.registrars(kill, &join, home.address.port(), &notes);
        let leased = || notes.lock().unwrap()[n_before..].iter().any(|n| n.has_lease);
        until("a registration", leased).await;
        // A random moment, for which there is no event.
        tokio::time::sleep(dice.up_to(KILLED_WITHIN)).await;
        program.process.kill();
        for registrar in registering {
            registrar.await.expect("every answer until the kill is a good one");
        }
        if kill % KILLED_AT_START.0 == KILLED_AT_START.0 - 1 {
            let mut start = Running::start(&mut up(&data, &[]));
            tokio::time::sleep(dice.up_to(KILLED_AT_START.1)).await;
            start.kill();
        }

        let since = Instant::now();
        program = Program::start(&data).await;
        starts.push(since.elapsed());
        let all = notes.lock().unwrap().clone();
        let fresh = &all[n_before..];
        let leased: Vec<_> = fresh.iter().filter(|n| n.has_lease).collect();
        let host = format!("{}.localhost", leased[dice.below(leased.len())].name);
        let since = Instant::now();
        assert_eq!(program.visit(&host).await, (200, "home".to_owned()), "kill {kill}: {host}");
        firsts.push(since.elapsed());
        program.has_all(fresh).await;
        program.has_counted(&all, kill + 1);
        n_before = all.len();
    }
    let all = notes.lock().unwrap().clone();
    program.has_all(&all).await;
    let n_leases = all.iter().filter(|n| n.has_lease).count();
    println!(
        "{KILLS} kills (seed {}): {} identities and {n_leases} leases acknowledged, 0 lost",
        dice.seed,
        all.len()
    );
    println!("a start took {}, the first request {}", told(&starts), told(&firsts));
}

/// A process of `rutter up`, and where it answers.
struct Program {
    process: Running,
    api: String,
    mesh_router: String,
    gateway: std::net::SocketAddr,
    admin: String,
    http: reqwest::Client,
    /// What the start told of: users and leases.
    restored: (usize, usize),
}

impl Program {
    /// Starts it, which has to go cleanly: nothing to warn of, and ready.
    async fn start(data: &Path) -> Self {
        let mut process = Running::start(&mut up(data, &[]));
        process.says("ready api=");
        let said = process.said().to_owned();
        for bad in [" WARN ", " ERROR ", "panicked"] {
            assert!(!said.contains(bad), "not a clean start:\n{said}");
        }
        let number = |name: &str| {
            let text = said.split(name).nth(1).expect("what was restored");
            text.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
        };
        let restored = (number("n_users="), number("n_leases="));
        let run = std::fs::read_to_string(data.join("run.json")).unwrap();
        let run: Value = serde_json::from_str(&run).unwrap();
        assert_eq!(run["pid"], process.pid(), "run.json is of another life");
        let text = |of: &Value| of.as_str().expect("a text").to_owned();
        let gateway = text(&run["gateway"][0]).trim_start_matches("http://").parse().unwrap();
        let admin = std::fs::read_to_string(data.join("admin.token")).unwrap().trim().to_owned();
        let (api, mesh_router) = (text(&run["api"]), text(&run["mesh_router"]));
        Self { process, api, mesh_router, gateway, admin, http: visitor(None), restored }
    }

    /// A join token that outlives all kills.
    async fn join_token(&self) -> String {
        let wanted = json!({ "reusable": true, "ttl_s": 3600 });
        let made = self.http.post(format!("{}/v1/join-tokens", self.api)).bearer_auth(&self.admin);
        let made: Value = made.json(&wanted).send().await.unwrap().json().await.unwrap();
        made["secret"].as_str().expect("a token").to_owned()
    }

    fn registrars(
        &self,
        kill: usize,
        join: &str,
        port: u16,
        notes: &Notes,
    ) -> Vec<tokio::task::JoinHandle<()>> {
        let registrar = |number: usize| Registrar {
            http: self.http.clone(),
            api: self.api.clone(),
            mesh_router: self.mesh_router.clone(),
            admin: self.admin.clone(),
            join: join.to_owned(),
            names: format!("k{kill}r{number}n"),
            port,
            notes: notes.clone(),
        };
        let joining = (0..REGISTRARS).map(|n| tokio::spawn(registrar(n).join_for_ever()));
        let signing =
            (REGISTRARS..2 * REGISTRARS).map(|n| tokio::spawn(registrar(n).sign_for_ever()));
        joining.chain(signing).collect()
    }

    async fn visit(&self, host: &str) -> (u16, String) {
        get(self.gateway, host).await
    }

    /// Each is known, and resolves if it has a lease.
    async fn has_all(&self, all: &[Acknowledged]) {
        let asked = all.iter().map(|one| self.has(one));
        futures_util::stream::iter(asked).buffer_unordered(8).collect::<Vec<()>>().await;
    }

    async fn has(&self, one: &Acknowledged) {
        let ask = async |path: String| {
            let answer = self.http.get(format!("{}{path}", self.mesh_router)).send().await.unwrap();
            let status = answer.status().as_u16();
            assert_eq!(status, 200, "{one:?} is lost: {path} is answered {status}");
            answer.json::<Value>().await.unwrap()
        };
        let identity = ask(format!("/domain/{}", one.user)).await;
        assert_eq!(identity["domainName"], *one.name, "{one:?}");
        if one.has_lease {
            let resolved = ask(format!("/resolve/v2/{}", one.name)).await;
            assert_eq!(resolved["userId"], *one.user, "{one:?}");
            assert_eq!(resolved["routes"].as_array().map(Vec::len), Some(1), "{one:?}: {resolved}");
        }
    }

    /// What the start counted is all that was acknowledged, and at most what else was on its way
    /// at the kills.
    fn has_counted(&self, all: &[Acknowledged], n_kills: usize) {
        let on_their_way = n_kills * 2 * REGISTRARS;
        let leases = all.iter().filter(|n| n.has_lease).count();
        for (found, acknowledged) in [(self.restored.0, all.len()), (self.restored.1, leases)] {
            let bounds = acknowledged..=acknowledged + on_their_way;
            assert!(bounds.contains(&found), "{found} restored of {acknowledged}");
        }
    }
}

/// One who registers one user after another, until nobody answers any more.
struct Registrar {
    http: reqwest::Client,
    api: String,
    mesh_router: String,
    admin: String,
    join: String,
    names: String,
    port: u16,
    notes: Notes,
}

impl Registrar {
    /// As an agent of Rutter's own.
    async fn join_for_ever(self) {
        let body = json!({ "routes": [{ "endpoint": format!("http://127.0.0.1:{}", self.port) }] });
        for n in 0.. {
            let name = format!("{}{n}", self.names);
            let join = self.http.post(format!("{}/v1/join", self.api)).bearer_auth(&self.join);
            let Some(joined) = acknowledged(join.json(&json!({ "name": name }))).await else {
                return;
            };
            let noted = self.note(&name, &joined);
            let token = joined["agent_token"].as_str().expect("a token");
            let put = self.http.put(format!("{}/v1/agent/routes", self.api)).bearer_auth(token);
            let Some(_) = acknowledged(put.json(&body)).await else { return };
            self.notes.lock().unwrap()[noted].has_lease = true;
        }
    }

    /// As an agent of Mesh Router's, whose operator has given it a name.
    async fn sign_for_ever(self) {
        let body = json!({ "routes": [{ "ip": "127.0.0.1", "port": self.port, "scheme": "http",
            "priority": 1, "source": "agent" }] });
        for n in 0.. {
            let name = format!("{}{n}", self.names);
            let claim = self.http.post(format!("{}/v1/domains", self.api)).bearer_auth(&self.admin);
            let Some(made) = acknowledged(claim.json(&json!({ "name": name }))).await else {
                return;
            };
            let noted = self.note(&name, &made);
            let (user, signature) = (made["user_id"].as_str(), made["signature"].as_str());
            let [user, signature] = [user, signature].map(|text| text.expect("a text"));
            let post = self.http.post(format!("{}/routes/{user}/{signature}", self.mesh_router));
            let Some(_) = acknowledged(post.json(&body)).await else { return };
            self.notes.lock().unwrap()[noted].has_lease = true;
        }
    }

    /// Notes an identity; its place.
    fn note(&self, name: &str, answer: &Value) -> usize {
        let user = answer["user_id"].as_str().expect("a user").to_owned();
        let mut notes = self.notes.lock().unwrap();
        notes.push(Acknowledged { name: name.to_owned(), user, has_lease: false });
        notes.len() - 1
    }
}

/// The answer, if it came whole; it has to be a good one.
async fn acknowledged(request: reqwest::RequestBuilder) -> Option<Value> {
    let answer = request.send().await.ok()?;
    let status = answer.status();
    let text = answer.text().await.ok()?;
    assert!(status.is_success(), "{status}: {text}");
    Some(serde_json::from_str(&text).expect("JSON"))
}
