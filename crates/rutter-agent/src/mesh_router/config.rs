//! The original agent's environment.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rutter_route::{HealthCheck, HostName, Priority};

use crate::{AgentError, BaseUrl, Secret};

/// The longest interval that is taken, in seconds: a day.
const MAX_INTERVAL: u64 = 86_400;
const DEFAULT_PORT: u16 = 10_443;
const DEFAULT_REFRESH: Duration = Duration::from_secs(300);

/// PROVIDER: `url,userid,signature`. The signature is good for ever and for everything, so it is a
/// [`Secret`]; `Display` shows the other two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The backend, without `/router/api`.
    pub backend: BaseUrl,
    /// The user.
    pub user_id: String,
    /// The user id, signed; a finished signature, not a key.
    pub signature: Secret,
}

/// What the original's environment says.
#[derive(Debug, Clone)]
pub struct MeshRouterConfig {
    /// PROVIDER.
    pub provider: Provider,
    /// PUBLIC_IP; `None`: found.
    pub public_ip: Option<HostName>,
    /// TARGET_PORT, 10443.
    pub target_port: u16,
    /// ROUTE_PRIORITY, 1.
    pub priority: Priority,
    /// REFRESH_INTERVAL, else HEARTBEAT_INTERVAL, else 300 s.
    pub refresh: Duration,
    /// ERROR_RETRY_INTERVAL, where it is set: the longest back-off. (The original waits that long
    /// after every failed start, 600 s unless it is set.)
    pub error_retry: Option<Duration>,
    /// HEALTH_CHECK_PATH and HEALTH_CHECK_HOST.
    pub health_check: Option<HealthCheck>,
    /// CERT_KEY_PATH, CERT_PATH, CA_CERT_PATH, where they are set.
    pub certificates: CertificatePaths,
}

/// Where the three PEM files are, as far as they are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificatePaths {
    /// CERT_KEY_PATH.
    pub key: Option<PathBuf>,
    /// CERT_PATH.
    pub certificate: Option<PathBuf>,
    /// CA_CERT_PATH.
    pub ca: Option<PathBuf>,
}

impl FromStr for Provider {
    type Err = AgentError;

    fn from_str(text: &str) -> Result<Self, AgentError> {
        let mut parts = text.split(',').map(str::trim);
        let mut part = || parts.next().filter(|p| !p.is_empty()).ok_or(AgentError::Provider);
        let (url, user_id, signature) = (part()?, part()?, part()?);
        // The original takes any id; these two can't be a segment of a URL's path.
        if matches!(user_id, "." | "..") || matches!(signature, "." | "..") {
            return Err(AgentError::Provider);
        }
        Ok(Self {
            backend: BaseUrl::parse(url).map_err(|_| AgentError::Provider)?,
            user_id: user_id.to_owned(),
            signature: Secret::new(signature),
        })
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.backend, self.user_id, self.signature)
    }
}

impl MeshRouterConfig {
    /// A configuration with the original's defaults.
    pub fn new(provider: Provider) -> Self {
        Self {
            provider,
            public_ip: None,
            target_port: DEFAULT_PORT,
            priority: Priority::default(),
            refresh: DEFAULT_REFRESH,
            error_retry: None,
            health_check: None,
            certificates: CertificatePaths::default(),
        }
    }

    /// Reads the variables by `var`; one set to nothing counts as not set, as in the original.
    ///
    /// # Errors
    /// The first variable that is missing or malformed. The text names it, and repeats the value
    /// of any but PROVIDER.
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, AgentError> {
        let vars = Vars(&var);
        let provider = vars.os("PROVIDER").ok_or(AgentError::NoProvider)?;
        // Not by `text`, whose error would repeat it.
        let provider = provider.to_str().ok_or(AgentError::Provider)?.parse()?;
        let defaults = Self::new(provider);
        let refresh = match vars.seconds("REFRESH_INTERVAL")? {
            Some(refresh) => Some(refresh),
            None => vars.seconds("HEARTBEAT_INTERVAL")?,
        };
        Ok(Self {
            public_ip: vars.parsed("PUBLIC_IP", "an IP address or a DNS name")?,
            target_port: vars
                .parsed::<std::num::NonZeroU16>("TARGET_PORT", "a port from 1 to 65535")?
                .map_or(defaults.target_port, |port| port.get()),
            priority: vars.parsed("ROUTE_PRIORITY", "a number")?.unwrap_or(defaults.priority),
            refresh: refresh.unwrap_or(defaults.refresh),
            error_retry: vars.seconds("ERROR_RETRY_INTERVAL")?,
            health_check: vars.health_check()?,
            certificates: CertificatePaths {
                key: vars.os("CERT_KEY_PATH").map(PathBuf::from),
                certificate: vars.os("CERT_PATH").map(PathBuf::from),
                ca: vars.os("CA_CERT_PATH").map(PathBuf::from),
            },
            ..defaults
        })
    }
}

impl CertificatePaths {
    /// What is wrong with the files that are named, one sentence each: nothing here needs them,
    /// but who named a file that isn't there should hear of it.
    pub fn complaints(&self) -> Vec<String> {
        let named = [
            ("CERT_KEY_PATH", &self.key),
            ("CERT_PATH", &self.certificate),
            ("CA_CERT_PATH", &self.ca),
        ];
        let complain = |(name, path): (&str, &Option<PathBuf>)| {
            let path = path.as_ref()?;
            let error = std::fs::File::open(path).err()?;
            Some(format!(
                "{name} names {}, which can't be read ({error}); the agent doesn't fetch \
                 certificates, so put the file there or unset {name}",
                path.display()
            ))
        };
        named.into_iter().filter_map(complain).collect()
    }
}

/// Typed reading of variables.
struct Vars<'a, F>(&'a F);

impl<F: Fn(&str) -> Option<OsString>> Vars<'_, F> {
    fn os(&self, name: &str) -> Option<OsString> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, AgentError> {
        let Some(value) = self.os(name) else {
            return Ok(None);
        };
        let text = value.to_str().map(str::trim);
        let text = text.ok_or_else(|| wrong(name, &value.to_string_lossy(), "UTF-8"))?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, AgentError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| wrong(name, &text, expected))
    }

    fn seconds(&self, name: &'static str) -> Result<Option<Duration>, AgentError> {
        let expected = "seconds, a whole number from 1 to 86400";
        let seconds: Option<u64> = self.parsed(name, expected)?;
        match seconds {
            Some(s) if !(1..=MAX_INTERVAL).contains(&s) => {
                Err(wrong(name, &s.to_string(), expected))
            }
            seconds => Ok(seconds.map(Duration::from_secs)),
        }
    }

    fn health_check(&self) -> Result<Option<HealthCheck>, AgentError> {
        let Some(path) = self.text("HEALTH_CHECK_PATH")? else {
            return Ok(None);
        };
        if !path.starts_with('/') {
            return Err(wrong("HEALTH_CHECK_PATH", &path, "a path that begins with `/`"));
        }
        Ok(Some(HealthCheck { path, host: self.text("HEALTH_CHECK_HOST")? }))
    }
}

fn wrong(name: &'static str, value: &str, expected: &'static str) -> AgentError {
    AgentError::Variable { name, value: value.chars().take(80).collect(), expected }
}
