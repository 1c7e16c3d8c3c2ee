//! The API of a process without a controller: a gateway whose controller is elsewhere, a host of
//! overlays, or both. Its own tables, its own numbers, and whether it may be sent traffic.
//!
//! There is no registry, so two tokens open it, and a reload reads both again: the one of the command
//! on this machine, in the data directory, for everything; and one that the operator wrote into a file
//! (`gateway.read_token_file`), for whoever only reads, such as Prometheus. That file's reader and
//! writer are the operator's, so its mode is too.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rutter_api::{LocalToken, LocalTokens, Owner, PartState, Tables};
use rutter_gateway::GatewayMetrics;
use rutter_registry::{DataDir, Scope, Scopes, TokenSecret};

use super::apis::{self, Around, Bound, Served};
use super::local;
use crate::config::{Config, Period};

/// The shortest token that a file may give, in bytes: what is shorter can be guessed.
const SHORTEST: usize = 16;
/// The longest.
const LONGEST: usize = 256;

/// The tokens that are good; where nothing is kept, the operator's alone.
///
/// # Errors
/// Files that can't be read or written, and a token that is none.
pub(super) fn tokens(config: &Config, dir: Option<&DataDir>) -> anyhow::Result<Vec<LocalToken>> {
    let token = |name, secret: &TokenSecret, scope| LocalToken {
        name,
        hash: secret.hash(),
        scopes: Scopes::of(&[scope]),
    };
    let mut tokens = Vec::new();
    if let Some(dir) = dir {
        tokens.push(token("of the local command", &local::own_token(dir)?, Scope::Admin));
    }
    let file = config.gateway.as_ref().and_then(|gateway| gateway.read_token_file.as_ref());
    if let Some(file) = file {
        let secret =
            read(file).with_context(|| format!("gateway.read_token_file: {}", file.display()))?;
        tokens.push(token("of gateway.read_token_file", &secret, Scope::Read));
    }
    Ok(tokens)
}

/// The token in a file: one line.
fn read(file: &Path) -> anyhow::Result<TokenSecret> {
    let mut text = String::new();
    // A line more than the longest, so that a longer one is seen to be so.
    File::open(file)?.take(LONGEST as u64 + 2).read_to_string(&mut text)?;
    let token = text.trim();
    let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    anyhow::ensure!(
        plain && (SHORTEST..=LONGEST).contains(&token.len()),
        "expected one line with a token of {SHORTEST} to {LONGEST} visible characters, such as \
         `openssl rand -hex 32` prints"
    );
    Ok(TokenSecret::presented(token))
}

/// Serves the API, if it has a listener.
pub(super) async fn serve(
    config: &Config,
    bound: Bound,
    tokens: &LocalTokens,
    around: Around<'_>,
) -> anyhow::Result<Served> {
    let mut served = Served::default();
    let Some(listener) = bound.api else { return Ok(served) };
    let (address, tls, own) = (listener.address(), listener.is_tls(), apis::is_own(config));
    // A certificate that was given is good for a name, which nobody told: the command on this
    // machine can't know how to ask then.
    served.api = (!tls || own).then(|| apis::url(address, tls));
    served.pin = if own { Some(around.certificates.own()?.pin()) } else { None };
    let mut tables = Tables::default();
    if let Some(gateway) = around.gateway {
        tables.add(Some("gateway"), gateway.book().clone()).await?;
    }
    if let Some(book) = around.fabric_book {
        tables.add(None, book.clone()).await?;
    }
    apis::serve(listener, owner(config, tokens)?, tables, &around).await?;
    Ok(served)
}

/// Whose API it is.
fn owner(config: &Config, tokens: &LocalTokens) -> anyhow::Result<Owner> {
    let tokens = tokens.clone();
    let Some(gateway) = &config.gateway else { return Ok(Owner::Overlay { tokens }) };
    let controller = match (&gateway.join, &gateway.mesh_router) {
        (Some(join), _) => join.controller.to_string(),
        (None, Some(mesh_router)) => mesh_router.backend.to_string(),
        (None, None) => anyhow::bail!("nobody is configured who tells the gateway its routes"),
    };
    Ok(Owner::Gateway { tokens, controller })
}

/// Whether the gateway knows its services. That the controller is away is no reason to send traffic
/// elsewhere while its routes are kept, and worth knowing.
pub(super) fn services(
    metrics: Arc<GatewayMetrics>,
    keep: Period,
) -> impl Fn() -> PartState + Send + 'static {
    move || {
        let away = metrics.controller_away().map(|away| Period::seconds(away.as_secs()));
        match (metrics.services_told.get() == 1, away) {
            (true, None) => PartState::Ready,
            (true, Some(away)) => PartState::ReadyBut(format!(
                "the controller has been away for {away}; its routes are kept for {keep}"
            )),
            (false, None) => PartState::NotReady("the controller is telling them".to_owned()),
            (false, Some(away)) => {
                PartState::NotReady(format!("the controller has been away for {away}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_file_is_one_line_that_nobody_guesses() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let told = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file).map(|secret| secret.reveal().to_owned())
        };
        let long = "x".repeat(LONGEST);
        assert_eq!(told("0123456789abcdef\n").unwrap(), "0123456789abcdef");
        assert_eq!(told(&long).unwrap(), long);
        for bad in
            ["", "\n", "short", "0123456789abcde", "two words of some length", &"x".repeat(300)]
        {
            let error = told(bad).unwrap_err().to_string();
            assert!(error.contains("16 to 256 visible characters"), "{bad:?}: {error}");
        }
        assert!(read(&dir.path().join("none")).is_err());
    }
}
