//! Whose API it is: a controller's, that of a gateway whose controller is elsewhere, or that of a host
//! of overlays, which has none.
//!
//! Two things hang on it: who knows the tokens, and what is there at all. A controller has a registry
//! that made each token; a gateway apart has none, and knows the few that its own machine gave it. What
//! only a controller can do is marked so in the endpoint table, and its handlers take a [`Controlled`],
//! which nobody has without a controller: so a gateway can't serve such an endpoint by mistake.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Extension;
use axum::extract::State;
use rutter_controller::Controller;
use rutter_fabric::FabricHandle;
use rutter_nodes::fleet::Fleet;
use rutter_registry::{Grant, Scopes, TokenHash, TokenSecret};
use rutter_route::Now;

use super::auth::Caller;
use super::{Api, ApiError, ApiOptions, Code, Inner, Result};
use crate::services::Services;

/// Whose API it is.
#[derive(Clone)]
pub enum Owner {
    /// A controller's: every endpoint is there, and its registry knows the tokens.
    Controller {
        /// What a controller does.
        controller: Controller,
        /// Where others find it.
        options: ApiOptions,
        /// The nodes; `None`: there are none here.
        fleet: Option<Fleet>,
    },
    /// A gateway's whose controller is elsewhere: what needs a controller isn't there.
    Gateway {
        /// Who may ask.
        tokens: LocalTokens,
        /// Where the gateway's routes come from, such as `https://192.0.2.1:7070`. It is told to
        /// those who have a token.
        controller: String,
    },
    /// A host of overlays', which has no controller at all.
    Overlay {
        /// Who may ask.
        tokens: LocalTokens,
    },
}

/// Who presented a token, and what it lets do.
pub(crate) struct Known {
    /// What the token is called, for the audit.
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
}

impl Owner {
    /// Who presents that token.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] when it opens nothing; otherwise it can't be found out now.
    pub(crate) async fn authenticate(&self, now: Now, presented: &TokenSecret) -> Result<Known> {
        match self {
            Self::Controller { controller, .. } => {
                let token = controller.authenticate(now, presented.reveal()).await?;
                let scopes = match token.grant {
                    Grant::Api { scopes } => scopes,
                    Grant::Agent { .. } | Grant::Join { .. } => Scopes::default(),
                };
                Ok(Known { name: format!("token {} {}", token.id, token.name), scopes })
            }
            Self::Gateway { tokens, .. } => tokens.find(presented).ok_or_else(|| {
                ApiError::new(Code::Unauthenticated, "the token is unknown to this gateway")
            }),
            Self::Overlay { tokens } => tokens.find(presented).ok_or_else(|| {
                ApiError::new(Code::Unauthenticated, "the token is unknown to this host")
            }),
        }
    }

    /// The controller, where there is one.
    pub(crate) fn controller(&self) -> Option<&Controller> {
        match self {
            Self::Controller { controller, .. } => Some(controller),
            Self::Gateway { .. } | Self::Overlay { .. } => None,
        }
    }

    /// The nodes, where there are some.
    pub(crate) fn fleet(&self) -> Option<&Fleet> {
        match self {
            Self::Controller { fleet, .. } => fleet.as_ref(),
            Self::Gateway { .. } | Self::Overlay { .. } => None,
        }
    }

    /// Whether what was stored is restored. A gateway apart stores nothing.
    pub(crate) fn is_restored(&self) -> bool {
        self.controller().is_none_or(Controller::is_ready)
    }
}

/// Tokens without a registry: those that a process's own machine gave it. Only their hashes are in
/// memory; they compare in constant time, and each is looked at whichever it is. There are as many as
/// [`LocalTokens::set`] was given, which is one or two. Cheap to clone.
#[derive(Clone, Default)]
pub struct LocalTokens(Arc<RwLock<Vec<LocalToken>>>);

/// One of them.
#[derive(Debug, Clone)]
pub struct LocalToken {
    /// What it is called.
    pub name: &'static str,
    /// The hash of its secret.
    pub hash: TokenHash,
    /// What it lets do.
    pub scopes: Scopes,
}

impl LocalTokens {
    /// From now on these are good and no others.
    pub fn set(&self, tokens: Vec<LocalToken>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    fn find(&self, presented: &TokenSecret) -> Option<Known> {
        let hash = presented.hash();
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let good = tokens.iter().fold(None, |found, token| match token.hash == hash {
            true => Some(token),
            false => found,
        });
        good.map(|token| Known { name: format!("token {}", token.name), scopes: token.scopes })
    }
}

impl fmt::Debug for LocalTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalTokens(..)")
    }
}

/// What the handlers of a controller's endpoints share: the API's, and the controller itself.
#[derive(Clone)]
pub(crate) struct Controlled {
    pub(crate) api: Api,
    pub(crate) controller: Controller,
    pub(crate) options: ApiOptions,
}

impl Controlled {
    /// `None` on a gateway.
    pub(super) fn of(api: &Api) -> Option<Self> {
        match &api.owner {
            Owner::Controller { controller, options, .. } => Some(Self {
                api: api.clone(),
                controller: controller.clone(),
                options: options.clone(),
            }),
            Owner::Gateway { .. } | Owner::Overlay { .. } => None,
        }
    }
}

impl std::ops::Deref for Controlled {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.api
    }
}

/// What the handlers of nodes share: a controller's, and the nodes themselves.
#[derive(Clone)]
pub(crate) struct OfNodes {
    pub(crate) controlled: Controlled,
    pub(crate) fleet: Fleet,
}

impl OfNodes {
    /// `None` without nodes.
    pub(super) fn of(api: &Api) -> Option<Self> {
        let fleet = api.owner.fleet()?.clone();
        Some(Self { controlled: Controlled::of(api)?, fleet })
    }
}

/// What the handlers of services share: the API's, and the services themselves.
#[derive(Clone)]
pub(crate) struct OfServices {
    pub(crate) api: Api,
    pub(crate) services: Services,
}

impl OfServices {
    /// `None` without providers.
    pub(super) fn of(api: &Api) -> Option<Self> {
        Some(Self { api: api.clone(), services: api.services.clone()? })
    }
}

impl std::ops::Deref for OfServices {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.api
    }
}

/// What the handlers of the fabric share: the fabric itself.
#[derive(Clone)]
pub(crate) struct OfFabric {
    pub(crate) fabric: FabricHandle,
}

impl OfFabric {
    /// `None` without a fabric.
    pub(super) fn of(api: &Api) -> Option<Self> {
        Some(Self { fabric: api.fabric.clone()? })
    }
}

/// What a process without a fabric answers.
pub(super) async fn no_fabric() -> ApiError {
    let error = "this cluster is part of no fabric: write `fabric:` in its file";
    ApiError::new(Code::NoFabric, error)
}

/// What a process without providers answers.
pub(super) async fn no_providers() -> ApiError {
    let error = "this process has no providers: write `providers:` in its file";
    ApiError::new(Code::NoProviders, error)
}

/// What a controller without nodes answers.
pub(super) async fn no_nodes() -> ApiError {
    ApiError::new(Code::NoNodes, "this controller has no nodes: write `nodes:` in its file")
}

/// What a gateway answers where a controller would do something.
pub(super) async fn elsewhere(
    State(api): State<Api>,
    caller: Option<Extension<Caller>>,
) -> ApiError {
    match (&api.owner, caller) {
        (Owner::Gateway { controller, .. }, Some(_)) => {
            let error =
                format!("this is a gateway, whose routes come from {controller}: ask there");
            ApiError::new(Code::NoController, error)
        }
        (Owner::Overlay { .. }, Some(_)) => {
            let error = "this is a host of overlays, which has no controller";
            ApiError::new(Code::NoController, error)
        }
        _ => no_controller(),
    }
}

/// The same for strangers, who needn't know where the controller is.
pub(super) fn no_controller() -> ApiError {
    let error = "this is a gateway; its controller is elsewhere, and has what you ask for";
    ApiError::new(Code::NoController, error)
}
