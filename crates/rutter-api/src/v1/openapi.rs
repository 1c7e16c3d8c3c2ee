//! The OpenAPI document.
//!
//! Paths and bodies come from the handlers' own annotations; who may ask comes from the endpoint
//! table, so that the document can't promise another check than the one that is made.

use axum::Json;
use axum::extract::State;
use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Ref, ResponseBuilder};

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
        fabric::keys,
        fabric::next_hop,
        fabric::policy_diff,
        fabric::rotate,
        fabric::show,
        fabric::stats,
        fabric::trace,
        health::healthz,
        health::readyz,
        join::join,
        link::serve,
        members::list,
        members::remove,
        metrics::serve,
        nodes::change,
        nodes::list,
        nodes::moves::list,
        nodes::pending::list,
        nodes::pending::register,
        nodes::pending::reject,
        nodes::people::create,
        nodes::people::list,
        nodes::people::remove,
        nodes::people::rename,
        nodes::policy::diff,
        nodes::policy::show,
        nodes::preauth::create,
        nodes::preauth::expire,
        nodes::preauth::list,
        nodes::remove,
        nodes::routes::approve,
        nodes::routes::drain,
        nodes::routes::forget,
        nodes::routes::list,
        nodes::routes::preference,
        nodes::routes::primary,
        nodes::routes::revoke,
        nodes::routes::undrain,
        nodes::rows::list,
        nodes::show,
        openapi::serve,
        overlay::serve,
        services::events::list,
        services::events::watch,
        services::health::serve,
        services::list,
        services::pools,
        services::providers::list,
        services::show,
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

/// The document: of a controller, or of a gateway apart from its own, which has less.
pub fn document(of_controller: bool) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    for endpoint in endpoints() {
        if endpoint.needs_controller() && !of_controller {
            document.paths.paths.remove(endpoint.path);
            continue;
        }
        let Some(path) = document.paths.paths.get_mut(endpoint.path) else { continue };
        let operation = match endpoint.method {
            Method::GET => &mut path.get,
            Method::PUT => &mut path.put,
            Method::POST => &mut path.post,
            Method::DELETE => &mut path.delete,
            Method::PATCH => &mut path.patch,
            _ => continue,
        };
        if let Some(operation) = operation {
            operation.operation_id = Some(operation_id(&endpoint));
            secure(operation, endpoint.access);
        }
    }
    document
}

/// `get_v1_tables_table_routes`: the handlers' own names stand several times.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    format!("{}_{}", endpoint.method.as_str().to_lowercase(), words.join("_"))
}

/// Says which token an endpoint needs, and what comes without it.
fn secure(operation: &mut Operation, access: Access) {
    let scope = match access {
        Access::Open => return,
        Access::Join => "join",
        Access::Agent => "agent",
        Access::Scope(scope) => scope.as_str(),
    };
    operation.security = Some(vec![SecurityRequirement::new("token", [scope])]);
    let mut refusals = vec![("401", "There is no token, or one that opens nothing.")];
    if matches!(access, Access::Scope(_)) {
        refusals.push(("403", "The token doesn't open this."));
    }
    for (status, description) in refusals {
        let schema = Ref::from_schema_name("ApiError");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(description);
        let response = response.content("application/json", content).build();
        operation.responses.responses.entry(status.into()).or_insert(response.into());
    }
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "health", responses(
    (status = 200, description = "The OpenAPI document.", body = Object)))]
pub(crate) async fn serve(State(api): State<Api>) -> Json<utoipa::openapi::OpenApi> {
    Json(document(api.owner.controller().is_some()))
}
