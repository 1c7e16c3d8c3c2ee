//! HTTPS to the CA. Its answers are bounded, and its certificate is verified by the roots that are
//! configured for it, with our own cryptography rather than the process's default.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::Request;
use http_body_util::Limited;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use super::error::OrderError;
use crate::error::GatewayError;
use crate::upstream::Roots;

/// The longest answer that is read, in bytes: a chain has some ten thousand.
const MAX_ANSWER: usize = 1 << 20;

/// See the module's head.
pub(super) struct CaClient(Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl CaClient {
    pub(super) fn new(roots: &Roots) -> Result<Self, OrderError> {
        let failed = |e: rustls::Error| GatewayError::Roots(e.to_string());
        let tls = rustls::ClientConfig::builder_with_provider(crate::server::provider())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(roots.store()?)
            .with_no_client_auth();
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(https)))
    }
}

impl HttpClient for CaClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let answer = self.0.request(request);
        Box::pin(async move {
            let answer = answer.await.map_err(|e| Error::Other(with_causes(&e).into()))?;
            Ok(BytesResponse::from(answer.map(|body| Limited::new(body, MAX_ANSWER))))
        })
    }
}

/// The error and what caused it: by itself hyper's says only at which step.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |all, cause| format!("{all}: {cause}"))
}
