//! Short links: `http://go/app/page` leads to where `app` is.
//!
//! GoDoxy's (its entrypoint's short links): asked when a host leads nowhere and is the one of short
//! links. The first segment of the path is the key, a service's name or the first label of one:
//!
//! | key | leads to |
//! | --- | --- |
//! | has a dot | the service of that name |
//! | a service's name | that name under [`ShortLinkConfig::suffix`], which must be there |
//! | else | the first service, in the order of names, whose first label it is |
//!
//! Wildcards lead nowhere, and neither do services that aren't asked for at the gateway's own
//! listeners. What is kept is one entry a service, in order, written when one comes or goes and
//! read by the few requests that ask.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use rutter_route::{Service, ServiceName};
use smol_str::SmolStr;

use super::admit::Asked;
use super::pages::{self, Page};
use crate::config::ShortLinkConfig;
use crate::upstream::body::AnswerBody;

/// Where short links lead.
#[derive(Debug)]
pub(crate) struct ShortLinks {
    config: ShortLinkConfig,
    /// The services by the first label of their names.
    services: RwLock<BTreeSet<(SmolStr, Service)>>,
}

impl ShortLinks {
    pub(crate) fn new(config: ShortLinkConfig) -> Self {
        Self { config, services: RwLock::default() }
    }

    /// A service has come, or gone.
    pub(crate) fn set(&self, service: &Service, is_there: bool) {
        if service.is_wildcard() {
            return;
        }
        let label = first_label(service.name.as_str());
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        let entry = (label.into(), service.clone());
        match is_there {
            true => services.insert(entry),
            false => services.remove(&entry),
        };
    }

    /// Whether short links are asked of that host.
    pub(super) fn are_at(&self, host: &str) -> bool {
        self.config.host.as_str() == host
    }

    /// The answer to a request: a redirect that keeps the method.
    pub(super) fn answer(&self, asked: &Asked) -> Result<Response<AnswerBody>, Page> {
        let location = self.leads(asked.target.as_str())?;
        let location = HeaderValue::from_str(&location).map_err(|_| pages::BAD_TARGET)?;
        let mut answer = Response::new(AnswerBody::Own(Full::default()));
        *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        answer.headers_mut().insert(LOCATION, location);
        Ok(answer)
    }

    /// Where a request's path and query lead.
    fn leads(&self, target: &str) -> Result<String, Page> {
        let asked = target.strip_prefix('/').unwrap_or(target);
        let key = asked.split(['/', '?']).next().unwrap_or_default();
        if key.is_empty() {
            return Err(pages::NO_SHORT_LINK);
        }
        let host = key.parse().ok().and_then(|key| self.host(&key)).ok_or(pages::UNKNOWN_HOST)?;
        let rest = asked.get(key.len()..).unwrap_or_default();
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Ok(format!("https://{host}{slash}{rest}"))
    }

    fn host(&self, key: &ServiceName) -> Option<String> {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        let label: SmolStr = first_label(key.as_str()).into();
        let first_from = |service: Service| {
            let from = (Bound::Included((label.clone(), service)), Bound::Unbounded);
            let first = services.range(from).next().filter(|(found, _)| *found == label);
            first.map(|(_, service)| service.name.clone())
        };
        // Of one name the least service is the whole of it on HTTP.
        let exact = first_from(Service::http(key.clone())).filter(|name| name == key);
        if key.as_str().contains('.') {
            return exact.map(|name| name.to_string());
        }
        if exact.is_some() {
            return self.config.suffix.as_ref().map(|suffix| format!("{key}.{suffix}"));
        }
        // A name of that label alone would be the first of them.
        first_from(Service::http(key.clone())).map(|name| name.to_string())
    }
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(services: &[&str], suffix: Option<&str>) -> ShortLinks {
        let suffix = suffix.map(|suffix| suffix.parse().unwrap());
        let links = ShortLinks::new(ShortLinkConfig { host: "go".parse().unwrap(), suffix });
        services.iter().for_each(|service| links.set(&service.parse().unwrap(), true));
        links
    }

    #[test]
    fn short_links_lead_to_services() {
        let services = [
            "app/api",
            "app",
            "blog.example.org",
            "wiki.b.org",
            "wiki.a.org/x",
            "wiki.a.org",
            "app.b.org",
            "*.c.org",
        ];
        let links = links(&services, Some("example.com"));
        let cases = [
            ("/app", Ok("https://app.example.com/")),
            ("/App/x/y?q=1", Ok("https://app.example.com/x/y?q=1")),
            ("/app?q", Ok("https://app.example.com/?q")),
            ("/blog", Ok("https://blog.example.org/")),
            ("/wiki/", Ok("https://wiki.a.org/")),
            ("/wiki.b.org/p", Ok("https://wiki.b.org/p")),
            ("/app.b.org", Ok("https://app.b.org/")),
            ("/", Err(pages::NO_SHORT_LINK)),
            ("/?q", Err(pages::NO_SHORT_LINK)),
            ("/none", Err(pages::UNKNOWN_HOST)),
            ("/blog.example.net", Err(pages::UNKNOWN_HOST)),
            ("/c", Err(pages::UNKNOWN_HOST)),
            ("/a%20b", Err(pages::UNKNOWN_HOST)),
            ("*", Err(pages::UNKNOWN_HOST)),
        ];
        for (target, want) in cases {
            assert_eq!(links.leads(target).as_deref(), want.as_deref(), "{target}");
        }
        links.set(&"app".parse().unwrap(), false);
        assert!(links.leads("/app").is_ok(), "some of its paths are still there");
        links.set(&"app/api".parse().unwrap(), false);
        assert_eq!(links.leads("/app").as_deref(), Ok("https://app.b.org/"));
    }

    #[test]
    fn without_a_suffix_a_label_alone_leads_nowhere() {
        let links = links(&["app", "app.b.org"], None);
        assert_eq!(links.leads("/app"), Err(pages::UNKNOWN_HOST));
        assert_eq!(links.leads("/app.b.org").as_deref(), Ok("https://app.b.org/"));
    }
}
