//! Load: `wrk` for HTTP/1.1, `h2load` for HTTP/2 by TLS, and what they say of it.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::scene::{Scene, host};
use crate::shell;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    Small,
    Large,
    Post,
}

/// By which protocol clients ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What a load tool saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) n_requests: u64,
    /// Microseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Connections of HTTP/1.1, and of HTTP/2 with so many requests at once on each.
const CONNECTIONS: u32 = 64;
const H2_CONNECTIONS: u32 = 8;
const H2_STREAMS: u32 = 8;

impl Request {
    pub(super) const ALL: [Self; 3] = [Self::Small, Self::Large, Self::Post];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Small => "GET 256 B",
            Self::Large => "GET 64 KiB",
            Self::Post => "POST 4 KiB",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Small => "/small",
            Self::Large => "/large",
            Self::Post => "/posted",
        }
    }
}

impl Protocol {
    pub(super) const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "TLS, HTTP/2",
        }
    }
}

/// Asks for as long as `time`; any answer but 200, or a connection that breaks, is an error.
pub(super) fn run(
    scene: &Scene,
    protocol: Protocol,
    request: Request,
    to: SocketAddr,
    time: Duration,
) -> Result<Seen> {
    match protocol {
        Protocol::Http1 => wrk(scene, request, to, time),
        Protocol::Http2 => h2load(scene, request, to, time),
    }
}

/// Takes the hosts that are asked for in turns, with headers as a browser's are; prints figures
/// that need no reading of a table.
const SCRIPT: &str = r#"
local ready, at = {}, 0
function init(arguments)
  local body
  if arguments[2] == "POST" then
    local file = io.open(arguments[4])
    body = file:read("*a")
    file:close()
  end
  for host in io.lines(arguments[1]) do
    local headers = {
      ["Host"] = host,
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
      ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
      ["Accept-Language"] = "en-GB,en;q=0.5",
      ["Accept-Encoding"] = "gzip, deflate, br",
    }
    ready[#ready + 1] = wrk.format(arguments[2], arguments[3], headers, body)
  end
end
function request()
  at = at % #ready + 1
  return ready[at]
end
function done(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("\nfigures %d %d %f %f\n", summary.requests, failed,
    latency:percentile(50), latency:percentile(99)))
end
"#;

fn wrk(scene: &Scene, request: Request, to: SocketAddr, time: Duration) -> Result<Seen> {
    let script = scene.file("load.lua");
    fs::write(&script, SCRIPT)?;
    let method = if request == Request::Post { "POST" } else { "GET" };
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", time.as_secs())]);
    wrk.arg("-s").arg(&script).arg(format!("http://{to}/")).arg("--");
    wrk.arg(scene.file("asked")).args([method, request.path()]).arg(scene.file("posted"));
    let said = shell::output(&mut wrk)?;
    let line = said.lines().find_map(|line| line.strip_prefix("figures "));
    let figures = line.with_context(|| format!("wrk said no figures:\n{said}"))?;
    let figures: Vec<f64> = figures.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let &[n_requests, failed, p50, p99] = figures.as_slice() else {
        anyhow::bail!("wrk said other figures:\n{said}");
    };
    ensure!(failed == 0.0, "of {n_requests} requests of wrk {failed} failed:\n{said}");
    Ok(Seen { n_requests: n_requests as u64, p50, p99 })
}

fn h2load(scene: &Scene, request: Request, to: SocketAddr, time: Duration) -> Result<Seen> {
    let log = scene.file("h2load.log");
    // It would be written on.
    fs::write(&log, "")?;
    let mut h2load = Command::new("h2load");
    h2load.args(["-t1", &format!("-c{H2_CONNECTIONS}"), &format!("-m{H2_STREAMS}")]);
    h2load.args(["-D", &time.as_secs().to_string(), &format!("--connect-to={to}")]);
    h2load.arg(format!("--log-file={}", log.display()));
    if request == Request::Post {
        h2load.arg("-d").arg(scene.file("posted"));
    }
    let name = host(scene.n_routes - 1);
    h2load.arg(format!("https://{name}:{}{}", to.port(), request.path()));
    let said = shell::output(&mut h2load)?;
    ensure!(
        said.contains("Application protocol: h2")
            && said.contains(" 0 failed, 0 errored, 0 timeout"),
        "requests of h2load failed:\n{said}"
    );
    seen(&fs::read_to_string(&log)?).with_context(|| format!("h2load said:\n{said}"))
}

/// Each line of h2load's log is a request: when it began, its status, its microseconds.
fn seen(log: &str) -> Result<Seen> {
    let mut took = Vec::new();
    for line in log.lines() {
        let mut fields = line.split('\t').skip(1);
        ensure!(fields.next() == Some("200"), "a request's line is `{line}`");
        took.push(fields.next().and_then(|took| took.parse().ok()).context("no time")?);
    }
    took.sort_unstable();
    let at = |share: f64| -> Result<f64> {
        let place = (took.len() as f64 * share) as usize;
        let value: u32 = *took.get(place).context("there was no request")?;
        Ok(f64::from(value))
    };
    Ok(Seen { n_requests: took.len() as u64, p50: at(0.5)?, p99: at(0.99)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_h2loads_log() -> Result<()> {
        let log: String = (0..200).rev().map(|n| format!("17\t200\t{n}\n")).collect();
        let seen = seen(&log)?;
        assert_eq!((seen.n_requests, seen.p50, seen.p99), (200, 100.0, 198.0));
        assert!(super::seen("17\t503\t5\n").is_err());
        assert!(super::seen("").is_err());
        Ok(())
    }
}
