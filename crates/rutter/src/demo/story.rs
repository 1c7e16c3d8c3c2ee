//! What happens, in order, and what is said of it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rutter_route::Explanation;

use super::cast::{Cast, NAME};
use super::say;
use crate::text::explain;

/// What the direct way's service is called.
pub(super) const DIRECT: &str = "the direct way";
/// What the other is called.
pub(super) const TUNNEL: &str = "the tunnel";
/// How long the way back may take: the probe comes every second here.
const RETURN: Duration = Duration::from_secs(20);

/// Tells it all, and leaves the direct way alive.
pub(super) async fn tell(cast: &Cast) -> anyhow::Result<()> {
    let visitor = Visitor::new(cast)?;
    visitor.finds_it().await?;
    begins(cast, &visitor).await?;
    breathe().await;
    dies(cast, &visitor).await?;
    breathe().await;
    comes_back(cast, &visitor).await?;
    breathe().await;
    why(cast).await?;
    say("That was all: two ways, one death, no failed request, and the reason for each move.\n")
}

/// A moment to read; who doesn't read at a terminal needs none.
async fn breathe() {
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

async fn begins(cast: &Cast, visitor: &Visitor) -> anyhow::Result<()> {
    say(&format!(
        "A controller and a gateway run on this machine, with their data in {}.\n\n\
         1. An agent has registered two ways for {NAME}:\n     \
         agent   http://{}   priority 1   (the direct way)\n     \
         tunnel  http://{}   priority 2   (the way round)\n\n\
         2. Requests to {}/ go by the better one:",
        cast.run.data,
        cast.direct.address(),
        cast.tunnel.address(),
        cast.gateway()?,
    ))?;
    for _ in 0..3 {
        let answer = visitor.get("/").await?;
        ensure!(answer.by(DIRECT), "the request went another way: {}", answer.text);
        say(&answer.line())?;
    }
    Ok(())
}

async fn dies(cast: &Cast, visitor: &Visitor) -> anyhow::Result<()> {
    say("\n3. A request is on the direct way, unanswered, and the direct way is killed:")?;
    let kill = async {
        cast.direct.somebody_waits().await;
        let at = Instant::now();
        cast.direct.kill().await;
        at
    };
    let (answer, killed) = tokio::join!(visitor.get("/slow"), kill);
    let answer = answer?;
    ensure!(answer.by(TUNNEL), "the request went another way: {}", answer.text);
    say(&format!(
        "{}\n   That was the same request, sent again by the other way: answered {} ms after the kill.",
        answer.line(),
        answer.at.duration_since(killed).as_millis()
    ))?;
    let mut times = Vec::new();
    for _ in 0..20 {
        let answer = visitor.get("/").await?;
        ensure!(answer.by(TUNNEL), "the request went another way: {}", answer.text);
        times.push(answer.took);
    }
    let longest = times.iter().max().map_or(0, Duration::as_millis);
    say(&format!(
        "   20 more requests: 20 answered by the tunnel, the slowest in {longest} ms.\n   \
         The first few found the direct way's port closed and went on; then the gateway held the\n   \
         direct way to be unhealthy, and asked it no more."
    ))
}

async fn comes_back(cast: &Cast, visitor: &Visitor) -> anyhow::Result<()> {
    say("\n4. The direct way comes back, and the gateway's next probe finds it:")?;
    cast.direct.revive().await?;
    let since = Instant::now();
    let answer = loop {
        let answer = visitor.get("/").await?;
        if answer.by(DIRECT) {
            break answer;
        }
        ensure!(since.elapsed() < RETURN, "the direct way isn't used again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    say(&format!("{}\n   {} ms after it was back.", answer.line(), since.elapsed().as_millis()))
}

async fn why(cast: &Cast) -> anyhow::Result<()> {
    let path = ["v1", "tables", "gateway/services", "routes", "explain"];
    let told: Explanation<String> = cast.client.get(&path, &[("destination", NAME)]).await?;
    let text = explain::render(&told);
    let text: String = text.lines().map(|line| format!("   {line}\n")).collect();
    say(&format!(
        "\n5. And why? `rutter routes explain {NAME} --table gateway/services`:\n\n{text}"
    ))
}

/// Somebody with a browser.
struct Visitor {
    http: reqwest::Client,
    gateway: String,
    host: String,
}

struct Answer {
    path: String,
    status: u16,
    text: String,
    took: Duration,
    at: Instant,
}

impl Visitor {
    fn new(cast: &Cast) -> anyhow::Result<Self> {
        let gateway = cast.gateway()?.to_owned();
        let (_, authority) = gateway.split_once("://").context("the gateway's URL")?;
        let port = authority.rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
        let host = format!("{NAME}:{port}");
        // Names below localhost aren't known to every system, so the name goes in the header.
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, gateway, host })
    }

    /// Asks until the gateway has heard of the name, which takes it a moment longer than the agent.
    async fn finds_it(&self) -> anyhow::Result<()> {
        let since = Instant::now();
        while let Err(error) = self.get("/").await {
            if since.elapsed() > RETURN {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// One request; anything but a 200 ends the demonstration.
    async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let since = Instant::now();
        let request = self.http.get(format!("{}{path}", self.gateway));
        let request = request.header("host", &self.host).timeout(Duration::from_secs(10));
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?.trim().to_owned();
        ensure!(status == 200, "GET {path} was answered {status}: {text}");
        let path = path.to_owned();
        Ok(Answer { path, status, text, took: since.elapsed(), at: Instant::now() })
    }
}

impl Answer {
    fn by(&self, way: &str) -> bool {
        self.text.ends_with(way)
    }

    fn line(&self) -> String {
        format!("   GET {:<6} {}  \"{}\"", self.path, self.status, self.text)
    }
}
