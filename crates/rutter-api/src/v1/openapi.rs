//! The OpenAPI document.
//!
//! Paths and bodies come from the handlers' own annotations; who may ask comes from the endpoint
//! table, so that the document can't promise another check than the one that is made.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

use super::auth::Access;
use super::{endpoints, *};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rutter",
        description = "A network's book of routes.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        agent::replace,
        agent::withdraw,
        domains::create,
        domains::list,
        domains::remove,
        health::healthz,
        health::readyz,
        join::join,
        metrics::serve,
        openapi::serve,
        tables::explain,
        tables::list,
        tables::routes,
        tokens::create,
        tokens::create_join,
        tokens::list,
        tokens::revoke,
        watch::watch,
    ),
    components(schemas(Code))
)]
struct Document;

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    for endpoint in endpoints() {
        let Some(path) = document.paths.paths.get_mut(endpoint.path) else { continue };
        let operation = match endpoint.method {
            Method::GET => &mut path.get,
            Method::PUT => &mut path.put,
            Method::POST => &mut path.post,
            Method::DELETE => &mut path.delete,
            _ => continue,
        };
        if let Some(operation) = operation {
            operation.security = security(endpoint.access);
        }
    }
    document
}

fn security(access: Access) -> Option<Vec<SecurityRequirement>> {
    let scope = match access {
        Access::Open => return None,
        Access::Join => "join",
        Access::Agent => "agent",
        Access::Scope(scope) => scope.as_str(),
    };
    Some(vec![SecurityRequirement::new("token", [scope])])
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "health", responses(
    (status = 200, description = "The OpenAPI document.", body = Object)))]
pub(crate) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
