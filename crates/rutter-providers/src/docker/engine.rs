//! What an engine is asked: its containers, one of them, its events.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, ContainerSummary, EventMessage};
use bollard::query_parameters::{EventsOptions, ListContainersOptions};
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::{Stream, StreamExt};

use super::batch::Whose;
use super::connect::Dialer;
use super::transport::{Meter, exchange};
use super::{DockerError, Endpoint};

/// The most bytes of one answer: some 25,000 containers with the labels that compose gives them.
pub const MAX_ANSWER: u64 = 64 << 20;

/// The most bytes of one event, with what was read beyond it.
pub const MAX_EVENT: u64 = 1 << 20;

/// How long an answer may take, and the head of the stream of events.
const PATIENCE: Duration = Duration::from_secs(5);

/// The events that are listened to, by the type of what they are about: those after which a
/// container would be listed otherwise.
const EVENTS: [(&str, &[&str]); 2] = [
    ("container", &["start", "die", "destroy", "pause", "unpause", "rename", "health_status"]),
    ("network", &["connect", "disconnect"]),
];

/// An engine that can be asked.
pub(super) struct Engine {
    dialer: Arc<Dialer>,
}

impl Engine {
    /// Reads what connections to it need; none is made.
    pub(super) async fn open(endpoint: Endpoint) -> Result<Self, DockerError> {
        Ok(Self { dialer: Arc::new(Dialer::open(endpoint).await?) })
    }

    /// Its containers, those that are stopped too.
    pub(super) async fn list(&self, whose: &Whose) -> Result<Vec<ContainerSummary>, DockerError> {
        let filters = match whose {
            Whose::All => None,
            Whose::Of(ids) => {
                let ids = ids.iter().map(|id| id.as_str().to_owned()).collect();
                Some(HashMap::from([("id".to_owned(), ids)]))
            }
        };
        let options = ListContainersOptions { all: true, filters, ..Default::default() };
        self.ask("listing", async |docker| docker.list_containers(Some(options)).await).await
    }

    /// All that it says of a container; `None`: there is none.
    pub(super) async fn inspect(
        &self,
        id: &str,
    ) -> Result<Option<ContainerInspectResponse>, DockerError> {
        let asked =
            self.ask("container", async |docker| match docker.inspect_container(id, None).await {
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
                other => other.map(Some),
            });
        asked.await
    }

    /// Its events from now on. Returns when the engine has begun to tell them.
    pub(super) async fn events(&self) -> Result<Events, DockerError> {
        let meter = Meter::of(MAX_EVENT);
        let actions = EVENTS.iter().flat_map(|(_, actions)| *actions);
        let filters = HashMap::from([
            ("type".to_owned(), EVENTS.iter().map(|(of, _)| (*of).to_owned()).collect()),
            ("event".to_owned(), actions.map(|action| (*action).to_owned()).collect()),
        ]);
        let options = EventsOptions { filters: Some(filters), ..Default::default() };
        let mut stream = self.docker(&meter)?.events(Some(options)).boxed();
        let begun = async {
            tokio::select! {
                biased;
                () = meter.answered() => Ok(None),
                first = stream.next() => first.unwrap_or(Err(ended())).map(Some),
            }
        };
        let begun = tokio::time::timeout(PATIENCE, begun).await;
        let first = begun.unwrap_or(Err(Error::RequestTimeoutError));
        let first = first.map_err(|error| why(error, &meter, ("event", MAX_EVENT)))?;
        Ok(Events { first, stream, meter })
    }

    async fn ask<T>(
        &self,
        what: &'static str,
        asks: impl AsyncFnOnce(Docker) -> Result<T, Error>,
    ) -> Result<T, DockerError> {
        let meter = Meter::of(MAX_ANSWER);
        let answer = tokio::time::timeout(PATIENCE, asks(self.docker(&meter)?)).await;
        let answer = answer.unwrap_or(Err(Error::RequestTimeoutError));
        answer.map_err(|error| why(error, &meter, (what, MAX_ANSWER)))
    }

    /// The library, over connections that the meter counts.
    fn docker(&self, meter: &Arc<Meter>) -> Result<Docker, DockerError> {
        let (dialer, meter) = (self.dialer.clone(), meter.clone());
        let transport =
            move |request: BollardRequest| exchange(dialer.clone(), meter.clone(), request);
        // The transport rewrites the address, of which the library makes only paths.
        let address = Some("http://localhost");
        let patience = PATIENCE.as_secs();
        Docker::connect_with_custom_transport(transport, address, patience, API_DEFAULT_VERSION)
            .map_err(|error| DockerError::Answer(error.to_string()))
    }
}

/// An engine's events, as they come.
pub(super) struct Events {
    first: Option<EventMessage>,
    stream: Pin<Box<dyn Stream<Item = Result<EventMessage, Error>> + Send>>,
    meter: Arc<Meter>,
}

impl Events {
    /// The next one.
    pub(super) async fn next(&mut self) -> Result<EventMessage, DockerError> {
        let next = match self.first.take() {
            Some(first) => Ok(first),
            None => match self.stream.next().await {
                None => return Err(DockerError::Ended),
                Some(next) => next,
            },
        };
        self.meter.reset();
        next.map_err(|error| why(error, &self.meter, ("event", MAX_EVENT)))
    }
}

/// Whether an event is one of those that are listened to: engines are asked for no others, and not
/// all keep to that.
pub(super) fn is_listened_to(of: &str, action: &str) -> bool {
    let actions = EVENTS.iter().find(|(known, _)| *known == of).map(|(_, actions)| *actions);
    // `health_status: healthy`, and older ones `health_status:healthy`.
    let action = action.split(':').next().unwrap_or(action);
    actions.is_some_and(|actions| actions.contains(&action))
}

fn ended() -> Error {
    Error::IOError { err: std::io::ErrorKind::UnexpectedEof.into() }
}

fn why(error: Error, meter: &Meter, (what, limit): (&'static str, u64)) -> DockerError {
    if meter.is_over() {
        return DockerError::TooMuch { what, limit };
    }
    match error {
        Error::RequestTimeoutError => DockerError::TooSlow(PATIENCE),
        Error::IOError { err } => DockerError::Connect(err),
        Error::DockerResponseServerError { status_code, message } => {
            DockerError::Answer(format!("{status_code} {message}"))
        }
        error => DockerError::Answer(error.to_string()),
    }
}
