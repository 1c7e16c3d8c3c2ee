//! A request's line in the access log, from its head to the end of its answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{REFERER, USER_AGENT};
use http::{Request, StatusCode};
use tokio::time::Instant;

use super::{About, Client, Worker};
use crate::access::{Record, Tally, Tried, gone};
use crate::routes::Route;

/// The line to be. It is written when this is dropped, so a request whose client went away is in
/// the log as well.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `None` once it is written.
    record: Option<Box<Record>>,
    tally: Arc<Tally>,
    began: Instant,
    worker: Arc<Worker>,
}

impl Entry {
    /// For a request that has begun; `None`: no log is kept.
    pub(super) fn new<B>(
        worker: &Arc<Worker>,
        client: &Client,
        address: IpAddr,
        about: &About,
        request: &Request<B>,
    ) -> Option<Self> {
        worker.shared.access.as_ref()?;
        let header = |name| request.headers().get(name).cloned();
        let record = Record {
            at: SystemTime::now(),
            client: address,
            host: None,
            asked: Some((about.method.clone(), about.uri.clone(), about.version)),
            status: gone(),
            bytes_in: 0,
            bytes_out: 0,
            took: std::time::Duration::ZERO,
            upstream: None,
            tried: Tried::new(),
            served: None,
            sent: false,
            whole: false,
            id: Some(about.id.clone()),
            error: None,
            tls: client.tls_version,
            tls_server_name: client.tls_server_name.clone(),
            referer: header(REFERER),
            agent: header(USER_AGENT),
        };
        Some(Self {
            record: Some(Box::new(record)),
            tally: Arc::default(),
            began: Instant::now(),
            worker: worker.clone(),
        })
    }

    pub(super) fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    fn set(&mut self, set: impl FnOnce(&mut Record)) {
        if let Some(record) = self.record.as_deref_mut() {
            set(record);
        }
    }

    /// A host was asked for.
    pub(super) fn asked(&mut self, host: &str) {
        self.set(|record| record.host = Some(host.into()));
    }

    /// The upstreams are done: one has answered, or none.
    pub(super) fn forwarded(&mut self, tried: &Tried, served: Option<&Arc<Route>>) {
        let took = self.began.elapsed();
        self.set(|record| {
            record.tried = tried.clone();
            record.upstream = served.is_some().then_some(took);
            record.served = served.cloned();
        });
    }

    /// This is what the client will be told.
    pub(super) fn answered(&mut self, status: StatusCode, error: Option<&'static str>) {
        self.set(|record| (record.status, record.error) = (status, error));
    }

    /// The answer's body is over.
    pub(super) fn ended(&mut self, bytes: u64, whole: bool) {
        self.set(|record| (record.bytes_out, record.whole) = (bytes, whole));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        record.took = self.began.elapsed();
        record.bytes_in = self.tally.n_read();
        record.sent = self.tally.was_sent();
        record.error = record.error.or(self.tally.was_cut());
        if let Some(log) = &self.worker.shared.access {
            log.push(self.worker.number, &record);
        }
    }
}

/// Notes a request that hyper refused or that never became whole: all that is known is who sent it
/// and what it was told.
pub(crate) fn note_refused(
    worker: &Worker,
    client: &Client,
    status: StatusCode,
    code: &'static str,
) {
    worker.shared.metrics.count_answer(status);
    let Some(log) = &worker.shared.access else { return };
    let record = Record {
        at: SystemTime::now(),
        client: client.peer.ip().to_canonical(),
        host: None,
        asked: None,
        status,
        bytes_in: 0,
        bytes_out: 0,
        took: std::time::Duration::ZERO,
        upstream: None,
        tried: Tried::new(),
        served: None,
        sent: false,
        whole: true,
        id: None,
        error: Some(code),
        tls: client.tls_version,
        tls_server_name: client.tls_server_name.clone(),
        referer: None,
        agent: None,
    };
    log.push(worker.number, &record);
}
