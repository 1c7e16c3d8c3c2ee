//! `rutter tokens`: who may ask, and who may join.

use clap::{Args, Subcommand};
use rutter_book::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Global, period};
use crate::client::Client;
use crate::config::Period;
use crate::text;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rutter tokens create ci --scope read --ttl 30d
  rutter tokens join                 a line for one agent, good for an hour
  rutter tokens join --role gateway  a line for one gateway
  rutter tokens list --kind agent
  rutter tokens revoke ID")]
pub(crate) enum Tokens {
    /// Make a token for the API
    Create(Create),
    /// Make a token with which an agent or a gateway joins
    Join(Join),
    /// List tokens, without their secrets
    List {
        /// Which
        #[arg(long, value_enum, default_value = "api")]
        kind: Kind,
    },
    /// Take a token back
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What people call it
    name: String,
    /// What it may do; may be given more than once
    #[arg(long = "scope", value_enum, required = true)]
    scopes: Vec<Scope>,
    /// How long it lives, such as 30d; otherwise until it is revoked
    #[arg(long, value_parser = period)]
    ttl: Option<Period>,
}

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// What joins with it
    #[arg(long, value_enum, default_value = "agent")]
    role: Role,
    /// Any number may join with it
    #[arg(long)]
    reusable: bool,
    /// How long it lives
    #[arg(long, value_parser = period, default_value = "1h")]
    ttl: Period,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Registers services of its host under a name
    Agent,
    /// Forwards requests, apart from its controller
    Gateway,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// Everything
    Admin,
    /// Routes, their explanation, watching them, metrics
    Read,
    /// Giving and taking names by Mesh Router's API
    Domains,
    /// Reading the home addresses that names resolve to
    Gateway,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Kind {
    /// For the API
    Api,
    /// Of agents that joined
    Agent,
    /// For joining
    Join,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Agent => "agent",
            Self::Join => "join",
        }
    }
}

#[derive(Debug, Serialize)]
struct New {
    name: String,
    scopes: Vec<Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_s: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Made {
    token: Token,
    secret: String,
}

#[derive(Debug, Serialize)]
struct NewJoin {
    role: Role,
    reusable: bool,
    ttl_s: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct MadeJoin {
    id: String,
    join: String,
    secret: String,
    role: Role,
    reusable: bool,
    expires_ms: u64,
}

/// A token; what its kind has beside is passed on as it is.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    id: String,
    name: String,
    kind: String,
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used: Option<u64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

impl Token {
    /// Whether it opens anything.
    fn state(&self, now: u64) -> &'static str {
        let once = self.rest.get("reusable") == Some(&Value::Bool(false));
        match self {
            Self { revoked: Some(_), .. } => "revoked",
            Self { expires: Some(at), .. } if *at <= now => "expired",
            Self { last_used: Some(_), .. } if once => "used",
            _ => "good",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    tokens: Vec<Token>,
    next: Option<String>,
}

impl Tokens {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let output = global.output();
        match self {
            Self::Create(Create { name, scopes, ttl }) => {
                let new = New { name, scopes, ttl_s: ttl.map(|ttl| ttl.0.as_secs()) };
                let made: Made = client.post(&["v1", "tokens"], &new).await?;
                output.print(&made, |made| {
                    format!("Token {}, shown this once:\n  {}\n", made.token.id, made.secret)
                })
            }
            Self::Join(Join { role, reusable, ttl }) => {
                let new = NewJoin { role, reusable, ttl_s: ttl.0.as_secs() };
                let made: MadeJoin = client.post(&["v1", "join-tokens"], &new).await?;
                output.print(&made, joining)
            }
            Self::List { kind } => {
                let tokens = all(&client, kind).await?;
                output.print(&tokens, |tokens| list(tokens))
            }
            Self::Revoke { id } => {
                let token: Token = client.delete(&["v1", "tokens", &id]).await?;
                output.print(&token, |token| format!("{} opens nothing any more\n", token.id))
            }
        }
    }
}

/// What to do with a join token.
fn joining(made: &MadeJoin) -> String {
    let uses = match (made.role, made.reusable) {
        (Role::Agent, false) => "one agent",
        (Role::Agent, true) => "any number of agents",
        (Role::Gateway, false) => "one gateway",
        (Role::Gateway, true) => "any number of gateways",
    };
    let line = match made.role {
        Role::Agent => {
            format!("rutter agent --join '{}' --name NAME --service web=127.0.0.1:3000", made.join)
        }
        Role::Gateway => format!("gateway: {{name: NAME, join: '{}'}}", made.join),
    };
    format!("For {uses}, until {} UTC:\n  {line}\n", text::date(made.expires_ms))
}

async fn all(client: &Client, kind: Kind) -> anyhow::Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000"), ("kind", kind.as_str())];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = client.get(&["v1", "tokens"], &query).await?;
        tokens.extend(page.tokens);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(tokens),
        }
    }
}

fn list(tokens: &[Token]) -> String {
    if tokens.is_empty() {
        return "none\n".to_owned();
    }
    let now = SystemClock.now().wall.0;
    let moment = |at: Option<u64>| at.map_or_else(|| "-".to_owned(), text::date);
    let row = |token: &Token| {
        let list = |value: &Value| {
            let words = value.as_array().map(|all| all.iter().filter_map(Value::as_str).collect());
            words.map(|words: Vec<_>| words.join(" "))
        };
        let scopes = token.rest.get("scopes").and_then(list).unwrap_or_default();
        let word = |key| token.rest.get(key).and_then(Value::as_str).unwrap_or_default();
        let (user, role) = (word("user"), word("role"));
        vec![
            token.id.clone(),
            token.name.clone(),
            format!("{scopes}{user}{role}"),
            token.state(now).to_owned(),
            text::date(token.created),
            moment(token.expires),
            moment(token.last_used),
        ]
    };
    let headings = ["id", "name", "for", "state", "created", "expires", "last used"];
    text::table(&headings, tokens.iter().map(row).collect())
}
