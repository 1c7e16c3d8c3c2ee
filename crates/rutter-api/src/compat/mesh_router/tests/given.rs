//! The tables of the original's own suite: given, when, then.

use super::*;

/// One step and what must come of it.
struct Step {
    /// Seconds that pass before it.
    after: u64,
    method: &'static str,
    /// `ROUTES` stands for alice's signed path.
    path: &'static str,
    body: Value,
    status: u16,
    /// What the body must hold, each as a JSON pointer and the value there.
    holds: Vec<(&'static str, Value)>,
}

fn step(method: &'static str, path: &'static str, body: Value, status: u16) -> Step {
    Step { after: 0, method, path, body, status, holds: Vec::new() }
}

impl Step {
    fn holds(mut self, pointer: &'static str, value: Value) -> Self {
        self.holds.push((pointer, value));
        self
    }

    fn after(mut self, seconds: u64) -> Self {
        self.after = seconds;
        self
    }
}

fn post(routes: Value) -> Step {
    step("POST", "ROUTES", json!({ "routes": routes }), 200)
}

fn listed() -> Step {
    step("GET", "/routes/alice", Value::Null, 200)
}

fn resolved() -> Step {
    step("GET", "/resolve/v2/alice", Value::Null, 200)
}

async fn run(name: &str, steps: Vec<Step>) {
    let mesh = Mesh::new().await;
    for (i, step) in steps.into_iter().enumerate() {
        mesh.world.hands.forward(Duration::from_secs(step.after));
        let path = step.path.replace("ROUTES", &mesh.alice);
        let body = (!step.body.is_null()).then(|| step.body.to_string());
        let (status, answer) = mesh.ask(step.method, &path, body.as_deref()).await;
        assert_eq!(status, step.status, "{name}, step {i}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        for (pointer, expected) in step.holds {
            let found = answer.pointer(pointer).cloned().unwrap_or(Value::Null);
            assert_eq!(found, expected, "{name}, step {i}, {pointer}: {answer}");
        }
    }
}

#[tokio::test]
async fn registration() {
    let check = json!({ "path": "/health", "host": "alice.nsl.sh" });
    let mut with_host = agent("192.0.2.1");
    with_host["healthCheck"] = check.clone();
    let mut with_path = agent("192.0.2.1");
    with_path["healthCheck"] = json!({ "path": "/health" });
    let mut second = agent("192.0.2.1");
    second["priority"] = json!(2);
    let both = json!([agent("192.0.2.1"), tunnel("10.77.0.5")]);
    let cases = vec![
        (
            "one agent route",
            vec![
                post(json!([agent("192.0.2.1")]))
                    .holds("/message", json!("Routes registered successfully."))
                    .holds("/routes", json!([agent("192.0.2.1")]))
                    .holds("/domain", json!("alice.nsl.sh")),
                listed().holds("/routes", json!([agent("192.0.2.1")])),
            ],
        ),
        (
            "agent and tunnel in one call",
            vec![
                post(both.clone()).holds("/routes", both.clone()),
                listed().holds("/routes", both.clone()),
            ],
        ),
        (
            "a health check with a host",
            vec![post(json!([with_host])), listed().holds("/routes/0/healthCheck", check)],
        ),
        (
            "a health check without a host",
            vec![
                post(json!([with_path])),
                listed().holds("/routes/0/healthCheck", json!({ "path": "/health" })),
            ],
        ),
        (
            "the same ip and port again",
            vec![
                post(json!([agent("192.0.2.1")])),
                post(json!([second])),
                listed().holds("/routes/0/priority", json!(2)).holds("/routes/1", Value::Null),
            ],
        ),
        (
            "another source",
            vec![
                post(json!([agent("192.0.2.1")])),
                post(json!([tunnel("10.77.0.5")])),
                listed().holds("/routes", both.clone()),
            ],
        ),
        (
            "a new address of one source",
            vec![
                post(json!([agent("192.0.2.1")])),
                post(json!([agent("192.0.2.2")])),
                listed().holds("/routes", json!([agent("192.0.2.2")])),
            ],
        ),
        (
            "a new address of one source beside another",
            vec![
                post(both.clone()),
                post(json!([agent("192.0.2.2")])),
                listed().holds("/routes", json!([agent("192.0.2.2"), tunnel("10.77.0.5")])),
            ],
        ),
        (
            "deleting takes all sources, and can be done again",
            vec![
                post(both.clone()),
                step("DELETE", "ROUTES", Value::Null, 200)
                    .holds("/message", json!("Routes deleted successfully."))
                    .holds("/success", json!(true)),
                step("GET", "/routes/alice", Value::Null, 404)
                    .holds("/error", json!("No routes registered for this user.")),
                step("DELETE", "ROUTES", Value::Null, 200),
            ],
        ),
        (
            "who may not",
            vec![
                step("POST", "/routes/alice/k1234567890", json!({ "routes": both }), 401)
                    .holds("/error", json!("Invalid signature.")),
                step("POST", "/routes/nobody/k1234567890", json!({ "routes": both }), 404)
                    .holds("/error", json!("User not found. Register a domain first.")),
                step("DELETE", "/routes/alice/k1234567890", Value::Null, 401),
                step("DELETE", "/routes/nobody/k1234567890", Value::Null, 404)
                    .holds("/error", json!("User not found.")),
                step("POST", "/routes/nobody/k1", json!({}), 400),
                step("GET", "/routes/nobody", Value::Null, 404)
                    .holds("/error", json!("No routes registered for this user.")),
            ],
        ),
    ];
    for (name, steps) in cases {
        run(name, steps).await;
    }
}

#[tokio::test]
async fn leases_and_resolving() {
    let both = json!([agent("192.0.2.1"), tunnel("10.77.0.5")]);
    let legacy = || step("GET", "/resolve/alice", Value::Null, 200);
    let cases = vec![
        (
            "a name with routes, in any case of letters",
            vec![
                post(both.clone()),
                step("GET", "/resolve/v2/ALICE", Value::Null, 200)
                    .holds("/userId", json!("alice"))
                    .holds("/domainName", json!("alice"))
                    .holds("/serverDomain", json!("nsl.sh"))
                    .holds("/routes", both.clone())
                    .holds("/routesTtl", json!(600)),
                legacy()
                    .holds("/hostIp", json!("192.0.2.1"))
                    .holds("/targetPort", json!(443))
                    .holds("/routes", both.clone()),
            ],
        ),
        (
            "a name without routes",
            vec![
                resolved()
                    .holds("/routes", json!([]))
                    .holds("/routesTtl", json!(-2))
                    .holds("/lastSeenOnline", Value::Null),
                step("GET", "/resolve/alice", Value::Null, 404)
                    .holds("/error", json!("Domain not found or no IP registered.")),
            ],
        ),
        (
            "what is no name",
            vec![
                step("GET", "/resolve/v2/nobody", Value::Null, 404)
                    .holds("/error", json!("Domain not found.")),
                step("GET", "/resolve/v2/www", Value::Null, 404),
                step("GET", "/resolve/v2/a-b", Value::Null, 500).holds(
                    "/error",
                    json!("Error: Domain name can only contain lowercase letters and numbers."),
                ),
                step("GET", "/resolve/v2/%20", Value::Null, 500).holds(
                    "/error",
                    json!("Error: Domain name is required for availability check."),
                ),
            ],
        ),
        (
            "a lease is refreshed by its own source alone, and the least counts",
            vec![
                post(both.clone()),
                post(json!([agent("192.0.2.1")])).after(100),
                resolved().holds("/routesTtl", json!(500)),
                resolved().after(499).holds("/routesTtl", json!(1)).holds("/routes", both),
                // The tunnel's has ended; the agent's stands for another hundred seconds.
                resolved()
                    .after(1)
                    .holds("/routesTtl", json!(100))
                    .holds("/routes", json!([agent("192.0.2.1")])),
                resolved().after(100).holds("/routes", json!([])).holds("/routesTtl", json!(-2)),
                step("GET", "/routes/alice", Value::Null, 404),
            ],
        ),
        (
            "the first route by priority is the legacy's",
            vec![
                post(json!([agent("192.0.2.1")])),
                post(
                    json!([{ "ip": "10.77.0.5", "port": "80", "priority": -1.5, "source": "tunnel" }]),
                ),
                legacy().holds("/hostIp", json!("10.77.0.5")).holds("/targetPort", json!("80")),
            ],
        ),
    ];
    for (name, steps) in cases {
        run(name, steps).await;
    }
}
