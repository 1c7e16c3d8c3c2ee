//! The environment's own settings, and the file `.env` that holds them.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};

use rutter_yaml::Problem;

use super::Setup;
use crate::RemarkKind;
use crate::godoxy::environment::Environment;

/// A variable that says something to the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name without a prefix, such as `HTTP_ADDR`.
    pub name: &'static str,
    /// What is wrong with it; nothing may be started then.
    pub problem: Option<Problem>,
    /// What whoever set it may not expect.
    pub remark: Option<(RemarkKind, &'static str)>,
}

/// What a variable does to a set-up.
enum Does {
    /// Takes its value.
    Sets(fn(&mut Setup, &str) -> Result<(), String>),
    /// Nothing, for that reason.
    Nothing(&'static str),
}

const NO_DASHBOARD: &str = "there is no dashboard yet";
const NO_API: &str =
    "GoDoxy's API isn't there yet: `rutter services list` and `/v1/services` tell the same";
const NO_LOGIN: &str =
    "nobody logs in here yet: the middleware `oidc` refuses the routes that ask for it";

/// All that the original looks at.
const VARIABLES: &[(&str, Does)] = &[
    ("HTTP_ADDR", Does::Sets(|to, value| address(value).map(|at| to.http = at))),
    ("HTTPS_ADDR", Does::Sets(|to, value| address(value).map(|at| to.https = at))),
    ("API_ADDR", Does::Nothing(NO_API)),
    ("LOCAL_API_ADDR", Does::Nothing(NO_API)),
    ("LOCAL_API_ALLOW_NON_LOOPBACK", Does::Nothing(NO_API)),
    ("API_USER", Does::Nothing(NO_API)),
    ("API_PASSWORD", Does::Nothing(NO_API)),
    ("API_SKIP_ORIGIN_CHECK", Does::Nothing(NO_API)),
    ("API_JWT_SECRET", Does::Nothing(NO_API)),
    ("API_JWT_SECURE", Does::Nothing(NO_API)),
    ("API_JWT_TOKEN_TTL", Does::Nothing(NO_API)),
    ("OIDC_ISSUER_URL", Does::Nothing(NO_LOGIN)),
    ("OIDC_CLIENT_ID", Does::Nothing(NO_LOGIN)),
    ("OIDC_CLIENT_SECRET", Does::Nothing(NO_LOGIN)),
    ("OIDC_REDIRECT_URL", Does::Nothing(NO_LOGIN)),
    ("OIDC_SCOPES", Does::Nothing(NO_LOGIN)),
    ("OIDC_ALLOWED_USERS", Does::Nothing(NO_LOGIN)),
    ("OIDC_ALLOWED_GROUPS", Does::Nothing(NO_LOGIN)),
    ("SHORTLINK_PREFIX", Does::Sets(short_links)),
    (
        "SNI_ROUTING_FOR_TCP_ROUTES",
        Does::Sets(|to, value| boolean(value).map(|is| to.has_sni_streams = is)),
    ),
    ("DEBUG", Does::Sets(|to, value| boolean(value).map(|is| to.is_debug = is))),
    ("INIT_TIMEOUT", Does::Nothing("routes that come late are served when they come")),
    ("FRONTEND_ALIASES", Does::Nothing(NO_DASHBOARD)),
    ("METRICS_DISABLE_CPU", Does::Nothing(NO_DASHBOARD)),
    ("METRICS_DISABLE_MEMORY", Does::Nothing(NO_DASHBOARD)),
    ("METRICS_DISABLE_DISK", Does::Nothing(NO_DASHBOARD)),
    ("METRICS_DISABLE_NETWORK", Does::Nothing(NO_DASHBOARD)),
    ("METRICS_DISABLE_SENSORS", Does::Nothing(NO_DASHBOARD)),
];

/// Prefixes in the order in which the original looks.
const PREFIXES: [&str; 3] = ["GODOXY_", "GOPROXY_", ""];

/// Takes what the environment says; each variable that is set, in the order of the table.
pub(super) fn read(to: &mut Setup, environment: Environment<'_>) -> Vec<Variable> {
    let mut set = Vec::new();
    for (name, does) in VARIABLES {
        let found = PREFIXES.iter().find_map(|prefix| {
            let key = format!("{prefix}{name}");
            // Names without a prefix belong to everybody; only these are taken for ours. Nothing
            // for an address is a word too: there is no such listener.
            let is_address = name.ends_with("_ADDR");
            let is_ours = !prefix.is_empty() || is_address || *name == "SHORTLINK_PREFIX";
            let may_be_empty = is_address && !prefix.is_empty();
            let says = |value: &String| is_ours && (may_be_empty || !value.trim().is_empty());
            let value = environment(&key).filter(says)?;
            Some((key, value))
        });
        let Some((key, value)) = found else { continue };
        let (done, remark) = match does {
            Does::Sets(take) => (take(to, value.trim()), None),
            Does::Nothing(why) => (Ok(()), Some((RemarkKind::Ignored, *why))),
        };
        let problem = done.err().map(|why| Problem::at_path(vec![key], why));
        set.push(Variable { name, problem, remark });
    }
    set
}

/// `HOST:PORT` as Go writes it: without a host it is every address. Nothing is no listener.
fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    let wrong = || format!("expected `ADDRESS:PORT` or `:PORT`, found `{text}`");
    if text.is_empty() {
        return Ok(None);
    }
    match text.strip_prefix(':') {
        Some(port) => {
            let port: u16 = port.parse().map_err(|_| wrong())?;
            Ok(Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))))
        }
        None => text.replace("localhost:", "127.0.0.1:").parse().map(Some).map_err(|_| wrong()),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    crate::godoxy::lax::boolean(&crate::godoxy::tree::Tree::Text(text.to_owned()))
}

fn short_links(to: &mut Setup, value: &str) -> Result<(), String> {
    let name: rutter_route::ServiceName = value
        .to_lowercase()
        .parse()
        .map_err(|error: rutter_route::ParseError| error.to_string())?;
    to.short_links = name.to_string();
    Ok(())
}

/// A file of variables, as `docker compose` reads it: a line `NAME=VALUE` each, `export ` before
/// it or not, quotes round the value or not, `#` before what is for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DotEnv {
    /// The values by name, each with its line, which counts from 1. The last of a name holds.
    pub values: BTreeMap<String, (String, usize)>,
    /// The lines that say nothing.
    pub problems: Vec<(usize, String)>,
}

impl DotEnv {
    /// Reads a text.
    pub fn parse(text: &str) -> Self {
        let mut read = Self::default();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line);
            let Some((name, value)) = line.split_once('=') else {
                // Its text may be a secret.
                read.problems.push((n + 1, "expected `NAME=VALUE`".to_owned()));
                continue;
            };
            read.values.insert(name.trim().to_owned(), (unquoted(value.trim()), n + 1));
        }
        read
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).map(|(value, _)| value.clone())
    }

    /// The line on which a variable of the original's stands, under any of its prefixes.
    pub fn line_of(&self, name: &str) -> Option<usize> {
        let under = |prefix: &&str| self.values.get(&format!("{prefix}{name}"));
        PREFIXES.iter().find_map(under).map(|(_, line)| *line)
    }
}

/// What stands in quotes as it is; otherwise up to what is for people.
fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some((inside, _)) = rest.split_once(quote)
        {
            return inside.to_owned();
        }
    }
    value.split(" #").next().unwrap_or_default().trim().to_owned()
}
