//! Logs: to standard error, as text or JSON; the level may change while the program runs.

use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::resolved::{Log, LogFormat};

/// What changes the level.
#[derive(Clone)]
pub(crate) struct Logging(Arc<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

impl Logging {
    /// Begins to log. To be called once.
    ///
    /// # Errors
    /// A level that can't be read, or a second call.
    pub(crate) fn start(log: &Log) -> anyhow::Result<Self> {
        let (filter, handle) = reload::Layer::new(filter(&log.level)?);
        let layer = match log.format {
            LogFormat::Text => {
                let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
                fmt::layer().with_writer(std::io::stderr).with_ansi(colour).boxed()
            }
            LogFormat::Json => {
                fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
            }
        };
        Registry::default().with(filter).with(layer).try_init()?;
        Ok(Self(Arc::new(move |filter| handle.reload(filter))))
    }

    /// Takes another level.
    ///
    /// # Errors
    /// A level that can't be read.
    pub(crate) fn set_level(&self, level: &str) -> anyhow::Result<()> {
        Ok((self.0)(filter(level)?)?)
    }
}

/// `RUST_LOG` goes before the configured level: whoever sets it is looking for something.
fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    match std::env::var("RUST_LOG") {
        Ok(level) if !level.is_empty() => Ok(EnvFilter::try_new(level)?),
        _ => Ok(EnvFilter::try_new(level)?),
    }
}
