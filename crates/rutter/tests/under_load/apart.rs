//! A gateway and its controller as two processes: whatever becomes of the controller, requests go
//! on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::person::{Answer, Person};
use crate::scene::{Scene, heard_of, status_of_health};
use crate::support::{Running, Up, rutter};

/// How many ask at a time.
const N_PERSONS: usize = 4;

/// What the gateway says when its controller is gone, and when it is back.
const AWAY: &str = "the controller is away";
const BACK: &str = "the controller tells its services";

/// A controller without a gateway, whose addresses are the same after each restart.
struct Apart {
    scene: Scene,
    gateway: Up,
}

impl Apart {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let up = Up::run(dir, &file("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
        let run = up.run_file();
        let of = |key: &str| run[key].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        std::fs::write(up.file(), file(&of("api"), &of("link"), &of("mesh_router"))).unwrap();
        let scene = Scene::registered(up).await;
        let join = scene.up.json(&["tokens", "join", "--role", "gateway"])["join"].clone();
        let gateway = Up::run(
            tempfile::tempdir().unwrap(),
            &format!(
                "gateway: {{name: edge-1, join: '{}'}}\nlisteners: {{gateway: {{http: '127.0.0.1:0'}}}}\n",
                join.as_str().unwrap()
            ),
        );
        heard_of(gateway.gateway()).await;
        Self { scene, gateway }
    }

    /// The controller's process, begun again.
    fn start_controller(&mut self) {
        let (data, path) = (self.scene.up.data.clone(), self.scene.up.file());
        self.scene.up.process = run(&data, &path);
        self.scene.up.process.says("ready");
    }

    fn gateway_says(&mut self, word: &str) {
        self.gateway.process.says(word);
    }
}

fn file(api: &str, link: &str, mesh_router: &str) -> String {
    format!(
        "controller:\nlisteners:\n  api: {api}\n  link: {link}\n  compat: {{mesh_router: '{mesh_router}'}}\n"
    )
}

fn run(data: &std::path::Path, path: &std::path::Path) -> Running {
    let (data, path) = (data.to_string_lossy(), path.to_string_lossy());
    Running::start(&mut rutter(&["run", "--data", &data, "--config", &path]))
}

/// People who ask until they are told to stop.
struct People {
    asking: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Vec<Answer>>>,
}

impl People {
    fn ask(gateway: std::net::SocketAddr) -> Self {
        let asking = Arc::new(AtomicBool::new(true));
        let tasks = (0..N_PERSONS).map(|number| {
            let asking = asking.clone();
            let person = Person::new(number, gateway, None);
            tokio::spawn(person.ask_while(move || asking.load(Ordering::Relaxed)))
        });
        Self { tasks: tasks.collect(), asking }
    }

    async fn answers(self) -> Vec<Answer> {
        self.asking.store(false, Ordering::Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.extend(task.await.unwrap());
        }
        all
    }
}

/// `RUTTER_PAUSE_S=60` stops the controller for a minute instead of until it is missed.
fn pause() -> Duration {
    let asked = std::env::var("RUTTER_PAUSE_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(0))
}

fn moved(from: &PathBuf, to: &PathBuf) {
    std::fs::rename(from, to).unwrap();
}

/// The controller is killed and comes back, is stopped and goes on, and loses its database: every
/// request is answered by an origin.
#[tokio::test(flavor = "multi_thread")]
async fn requests_go_on_without_the_controller() {
    let mut apart = Apart::start().await;
    let people = People::ask(apart.gateway.gateway());
    let began = Instant::now();

    apart.scene.up.process.kill();
    apart.gateway_says(AWAY);
    apart.start_controller();
    apart.gateway_says(BACK);

    apart.scene.up.process.signal("-STOP");
    apart.gateway_says(AWAY);
    let more = pause().saturating_sub(began.elapsed());
    tokio::time::sleep(more).await;
    apart.scene.up.process.signal("-CONT");
    apart.gateway_says(BACK);

    // The directory moves away under the controller: nothing can be opened or written anew.
    let (data, away) = (apart.scene.up.data.clone(), apart.scene.up.path().join("away"));
    moved(&data, &away);
    apart.scene.up.process.kill();
    apart.gateway_says(AWAY);
    // It can't come back without what it knew: another would give the names away.
    moved(&away, &data);
    apart.start_controller();
    apart.gateway_says(BACK);

    // And what it says from now on arrives.
    apart.scene.up.text(&["domains", "add", "bob"]);
    let answers = people.answers().await;
    let failed: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(failed.is_empty(), "{failed:?}");
    println!("{} requests answered while the controller came and went, 0 failed", answers.len());
    assert!(answers.len() > 1_000);
}

/// A gateway that is started first says what is missing, tells people so, and recovers by itself,
/// also one that has never joined.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_started_before_its_controller_recovers_by_itself() {
    let mut apart = Apart::start().await;
    let second = apart.scene.up.json(&["tokens", "join", "--role", "gateway"])["join"].clone();
    apart.scene.up.process.kill();
    apart.gateway.process.terminate();

    // One that knows its controller, and one that has only its line.
    let (data, path) = (apart.gateway.data.clone(), apart.gateway.file());
    apart.gateway.process = run(&data, &path);
    let new = tempfile::tempdir().unwrap();
    let text = format!(
        "gateway: {{name: edge-2, join: '{}'}}\nlisteners: {{gateway: {{http: '127.0.0.1:0'}}}}\n",
        second.as_str().unwrap()
    );
    let mut never_joined = Up::run(new, &text);
    assert!(never_joined.process.said().contains("hasn't joined yet"));
    apart.gateway_says("has told no services yet");
    apart.gateway_says("ready");
    for gateway in [apart.gateway.gateway(), never_joined.gateway()] {
        assert_eq!(status_of_health(gateway).await, 503, "not told is not unknown");
    }
    apart.start_controller();
    for gateway in [apart.gateway.gateway(), never_joined.gateway()] {
        heard_of(gateway).await;
    }
    let members = apart.scene.up.json(&["members", "list"]);
    let names: Vec<_> = members.as_array().unwrap().iter().map(|m| m["name"].clone()).collect();
    assert_eq!(names, ["edge-1", "edge-2"]);
}
