//! Every endpoint with every kind of token.

use super::*;

/// Who asks, by what they hold.
const HOLDERS: [&str; 10] = [
    "nothing",
    "nonsense",
    "admin",
    "read",
    "domains",
    "gateway",
    "agent",
    "join",
    "join a gateway",
    "revoked",
];

async fn token_of(api: &Api, holder: &str) -> Option<String> {
    Some(match holder {
        "nothing" => return None,
        "nonsense" => "rtk_nonsense".into(),
        "admin" => api.admin.clone(),
        "read" => api.world.token(&[Scope::Read]).await,
        "domains" => api.world.token(&[Scope::Domains]).await,
        "gateway" => api.world.token(&[Scope::Gateway]).await,
        "agent" => api.agent("matrix").await,
        "join" => {
            let (_, made) = api.admin("POST", "/v1/join-tokens", json!({ "reusable": true })).await;
            made["secret"].as_str().unwrap().into()
        }
        "join a gateway" => {
            let body = json!({ "reusable": true, "role": "gateway" });
            let (_, made) = api.admin("POST", "/v1/join-tokens", body).await;
            made["secret"].as_str().unwrap().into()
        }
        "revoked" => {
            let body = json!({ "name": "x", "scopes": ["admin"] });
            let (_, made) = api.admin("POST", "/v1/tokens", body).await;
            let id = made["token"]["id"].as_str().unwrap();
            api.admin("DELETE", &format!("/v1/tokens/{id}"), Value::Null).await;
            made["secret"].as_str().unwrap().into()
        }
        other => panic!("{other}"),
    })
}

/// The status with which a holder is turned away, or `None` for one who is let in.
fn turned_away(access: Access, holder: &str) -> Option<u16> {
    let api_token = ["admin", "read", "domains", "gateway"].contains(&holder);
    match access {
        Access::Open => None,
        Access::Join => (holder != "join").then_some(401),
        Access::Agent => (holder != "agent").then_some(401),
        Access::Scope(scope) if holder == "admin" || holder == scope.as_str() => None,
        Access::Scope(_) if api_token => Some(403),
        Access::Scope(_) => Some(401),
    }
}

/// Asks an endpoint with a body that gets as far as the handler and no further. Only the head of the
/// answer should be waited for: an event stream has no end.
pub(super) async fn ask(
    client: &reqwest::Client,
    url: &str,
    endpoint: &Endpoint,
    token: Option<&str>,
) -> reqwest::Response {
    let path = endpoint.path.replace("{name}", "nobody").replace("{id}", &"0".repeat(16));
    let path = path.replace("{table}", "services").replace("{node}", "7");
    let path = path.replace("{user}", "nobody@").replace("{key}", &"0".repeat(64));
    let mut request = client.request(endpoint.method.clone(), format!("{url}{path}")).body("[]");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn every_endpoint_lets_in_those_it_names_and_nobody_else() {
    let (api, _fleet) = Api::with_nodes().await;
    let mut n_cases = 0;
    for holder in HOLDERS {
        let token = token_of(&api, holder).await;
        for endpoint in endpoints() {
            let answer = ask(&api.client, &api.served.url, &endpoint, token.as_deref()).await;
            let status = answer.status().as_u16();
            let case = format!("{holder}: {} {}: {status}", endpoint.method, endpoint.path);
            match turned_away(endpoint.access, holder) {
                Some(expected) => assert_eq!(status, expected, "{case}"),
                None => assert!(status != 401 && status != 403, "{case}"),
            }
            n_cases += 1;
        }
    }
    assert_eq!(n_cases, HOLDERS.len() * endpoints().len());
}

#[tokio::test]
async fn a_401_says_how_to_do_it_right() {
    let api = Api::new().await;
    let url = format!("{}/v1/tokens", api.served.url);
    for authorization in ["", "Basic eDp5", "Bearer", "Bearer  ", "bearer rtk_x"] {
        let request = api.client.get(&url).header("authorization", authorization);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401, "{authorization:?}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
}
