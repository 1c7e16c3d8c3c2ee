//! Who may ask.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rutter_registry::{Scope, TokenSecret, UserId};

use super::owner::no_controller;
use super::{Api, ApiError, Code, Result};

/// Who may ask an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone.
    Open,
    /// Who has a join token; the handler uses it up.
    Join,
    /// Who has an agent's token.
    Agent,
    /// Who has an API token of that scope.
    Scope(Scope),
}

/// The user for whom the agent that asks speaks.
#[derive(Debug, Clone)]
pub(crate) struct AgentUser(pub(crate) UserId);

/// Who asks with an API token.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What the token is called, for the audit.
    pub(crate) name: String,
    /// What was presented, for who must look at it again.
    pub(crate) secret: TokenSecret,
}

/// Middleware: lets in who may ask, and tells the handler who that is.
pub(crate) async fn check(
    State((api, access)): State<(Api, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    match api.identify(access, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

impl Api {
    async fn identify(&self, access: Access, request: &mut Request) -> Result<()> {
        let now = self.clock.now();
        match access {
            Access::Open => {}
            Access::Join => {
                let controller = self.owner.controller().ok_or_else(no_controller)?;
                controller.may_join(now, bearer(request.headers())?).await?;
            }
            Access::Agent => {
                let controller = self.owner.controller().ok_or_else(no_controller)?;
                let user = controller.agent_of(now, bearer(request.headers())?).await?;
                request.extensions_mut().insert(AgentUser(user));
            }
            Access::Scope(scope) => {
                let secret = TokenSecret::presented(bearer(request.headers())?);
                let known = self.owner.authenticate(now, &secret).await?;
                if !known.scopes.allow(scope) {
                    let error = format!("this needs a token of scope `{scope}`");
                    return Err(ApiError::new(Code::Forbidden, error));
                }
                request.extensions_mut().insert(Caller { name: known.name, secret });
            }
        }
        Ok(())
    }
}

/// The token that a request carries.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str> {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = text.and_then(|text| text.strip_prefix("Bearer ")).map(str::trim);
    token.filter(|token| !token.is_empty()).ok_or_else(|| {
        ApiError::new(Code::Unauthenticated, "this needs `Authorization: Bearer TOKEN`")
    })
}
