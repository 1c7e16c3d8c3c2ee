//! The API of a gateway whose controller is elsewhere.

use rutter_registry::{Scopes, TokenKind, TokenSecret};

use super::authorization::ask;
use super::*;
use crate::testing::{Hands, book};

/// Where this one's controller is.
const CONTROLLER: &str = "https://192.0.2.1:7070";

/// A gateway's API with a token for everything and one that may read.
struct Apart {
    served: Served,
    client: reqwest::Client,
    readiness: Readiness,
    tokens: LocalTokens,
    admin: TokenSecret,
    read: TokenSecret,
}

impl Apart {
    async fn new() -> Self {
        let hands = Hands::default();
        let secret = || TokenSecret::generate(TokenKind::Api).unwrap();
        let (admin, read, tokens) = (secret(), secret(), LocalTokens::default());
        tokens.set(vec![local(&admin, Scope::Admin), local(&read, Scope::Read)]);
        let mut tables = Tables::default();
        tables.add(Some("gateway"), book(&hands)).await.unwrap();
        let readiness = Readiness::default();
        let router = router(ApiParts {
            owner: Owner::Gateway { tokens: tokens.clone(), controller: CONTROLLER.to_owned() },
            clock: hands.clock(),
            tables,
            metrics: Metrics::new(),
            overlay: None,
            services: None,
            fabric: None,
            readiness: readiness.clone(),
            recheck: Duration::from_millis(50),
            stop: CancellationToken::new(),
        });
        Self { served: Served::new(router), client: client(), readiness, tokens, admin, read }
    }

    async fn get(&self, path: &str, token: Option<&TokenSecret>) -> (u16, String) {
        let mut request = self.client.get(format!("{}{path}", self.served.url));
        if let Some(token) = token {
            request = request.bearer_auth(token.reveal());
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn local(secret: &TokenSecret, scope: Scope) -> LocalToken {
    LocalToken { name: "test", hash: secret.hash(), scopes: Scopes::of(&[scope]) }
}

/// The status with which a holder is turned away, or `None` for one who is let in.
fn turned_away(endpoint: &Endpoint, holder: &str) -> Option<u16> {
    match endpoint.access {
        Access::Open if endpoint.needs_controller() => Some(404),
        Access::Open => None,
        // Whatever is shown: only a controller knows these tokens.
        Access::Join | Access::Agent => Some(404),
        Access::Scope(_) if holder == "admin" && endpoint.needs_controller() => Some(404),
        Access::Scope(_) if holder == "admin" => None,
        Access::Scope(Scope::Read) if holder == "read" => {
            endpoint.needs_controller().then_some(404)
        }
        Access::Scope(_) if holder == "read" => Some(403),
        Access::Scope(_) => Some(401),
    }
}

#[tokio::test]
async fn every_endpoint_of_a_gateway_lets_in_those_it_names_and_nobody_else() {
    let apart = Apart::new().await;
    let of_a_controller = World::new().await.token(&[Scope::Admin]).await;
    let holders = [
        ("nothing", None),
        ("nonsense", Some("rtk_nonsense")),
        ("a controller's", Some(of_a_controller.as_str())),
        ("admin", Some(apart.admin.reveal())),
        ("read", Some(apart.read.reveal())),
    ];
    for (holder, token) in holders {
        for endpoint in endpoints() {
            let answer = ask(&apart.client, &apart.served.url, &endpoint, token).await;
            let (status, case) =
                (answer.status().as_u16(), format!("{} {}", holder, endpoint.path));
            match turned_away(&endpoint, holder) {
                Some(404) => {
                    let said: Value = answer.json().await.unwrap();
                    assert_eq!((status, &said["code"]), (404, &json!("no_controller")), "{case}");
                    // Where the controller is, is nothing for strangers.
                    let told = said["error"].as_str().unwrap().contains(CONTROLLER);
                    assert_eq!(told, matches!(endpoint.access, Access::Scope(_)), "{case}");
                }
                Some(expected) => assert_eq!(status, expected, "{case}"),
                // The one table that is asked for here is a controller's.
                None if endpoint.path.contains("{table}") => assert_ne!(status, 401, "{case}"),
                None => assert_eq!(status, 200, "{case}"),
            }
        }
    }
}

#[tokio::test]
async fn a_token_is_good_until_another_is_set() {
    let apart = Apart::new().await;
    let routes = "/v1/tables/gateway%2Fservices/routes";
    assert_eq!(apart.get(routes, Some(&apart.read)).await.0, 200);
    let watch =
        apart.client.get(format!("{}/v1/tables/gateway%2Fservices/watch", apart.served.url));
    let mut watch = watch.bearer_auth(apart.read.reveal()).send().await.unwrap();
    assert_eq!(watch.status(), 200);
    apart.tokens.set(vec![local(&apart.admin, Scope::Admin)]);
    assert_eq!(apart.get(routes, Some(&apart.read)).await.0, 401);
    assert_eq!(apart.get(routes, Some(&apart.admin)).await.0, 200);
    // Who watches with it is let go.
    while watch.chunk().await.unwrap().is_some() {}
}

#[tokio::test]
async fn metrics_and_document_are_of_what_is_there() {
    let apart = Apart::new().await;
    let (status, metrics) = apart.get("/metrics", Some(&apart.read)).await;
    assert_eq!(status, 200);
    assert!(metrics.contains("rutter_table_routes{table=\"gateway/services\"} 0"), "{metrics}");
    assert!(!metrics.contains("rutter_users"), "{metrics}");
    let (_, document) = apart.get("/v1/openapi.json", None).await;
    let document: Value = serde_json::from_str(&document).unwrap();
    let documented: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    let mut there: Vec<_> =
        endpoints().into_iter().filter(|e| !e.needs_controller()).map(|e| e.path).collect();
    there.sort_unstable();
    assert_eq!(documented, there);
}

#[tokio::test]
async fn readiness_names_what_is_missing_and_what_is_only_to_be_known() {
    let apart = Apart::new().await;
    let ready = async |state: PartState| {
        apart.readiness.ask("services", move || state.clone());
        apart.get("/readyz", None).await
    };
    assert_eq!(ready(PartState::Ready).await, (200, r#"{"status":"ready"}"#.to_owned()));
    let (status, said) = ready(PartState::ReadyBut("the link is lost".into())).await;
    assert_eq!((status, said.contains("services: the link is lost")), (200, true), "{said}");
    let (status, said) = ready(PartState::NotReady("none told yet".into())).await;
    assert_eq!(status, 503);
    assert!(said.contains("waiting for services (none told yet)"), "{said}");
}
