//! One question.

use std::sync::OnceLock;

use reqwest::Url;
use tokio::net::TcpStream;

use super::{ProbeTarget, icmp};
use crate::http::client;

/// Asks once; whoever calls bounds the time.
///
/// # Errors
/// It wasn't answered, or not as it should: why, for people.
pub(super) async fn ask(target: &ProbeTarget) -> Result<(), String> {
    match target {
        ProbeTarget::Icmp(address) => icmp::echo(*address).await.map_err(|e| e.to_string()),
        ProbeTarget::Tcp(at) => {
            TcpStream::connect(at).await.map(drop).map_err(|error| error.to_string())
        }
        ProbeTarget::Http(url) => get(url).await,
    }
}

async fn get(url: &Url) -> Result<(), String> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let ready = match CLIENT.get() {
        Some(ready) => ready,
        None => {
            let made = client(false, None).map_err(|error| error.to_string())?;
            CLIENT.get_or_init(|| made)
        }
    };
    let answer = ready.get(url.clone()).send().await;
    let status = answer.map_err(|error| error.without_url().to_string())?.status();
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    Err(format!("answered with {}", status.as_u16()))
}
