//! Nodes, their users and keys, and the rows of their routes.

use std::net::IpAddr;

use rutter_route::{By, Incarnation, NodeId, Prefix, Tag, Tags, Word};

use super::*;
use crate::{
    Fault, Grant, Identities, MAX_NODES, Members, NewMember, NewPreauthToken, NewToken, Node,
    NodeNumbers, NodeRecord, NodeUser, NodeUsers, NodeWrite, Nodes, Note, Owner, Page, PreauthKeys,
    PublicKey, Role, RouteRow, RowId, TokenKind, TokenRefusal, TokenSecret, Tokens, UserName,
    WasEnabled,
};

fn named(text: &str) -> UserName {
    text.parse().unwrap()
}

fn tags(list: &[&str]) -> Tags {
    let tags: Vec<Tag> = list.iter().map(|tag| tag.parse().unwrap()).collect();
    tags.try_into().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn word<T>(is: T) -> Option<Word<T>> {
    Some(Word { is, by: By::Person("ann".into()), why: "it's \"hers\", ünd more".into(), at: NOW })
}

fn record(n: u8, owner: Owner) -> NodeRecord {
    NodeRecord {
        node: Node {
            id: NodeId(n.into()),
            key: PublicKey([n; 32]),
            name: format!("node-{n}").parse().unwrap(),
            owner,
            addresses: vec![[100, 64, 0, n].into(), "fd7a:115c:a1e0::1".parse().unwrap()],
            created: NOW,
            expiry: Some(later(60)),
            ephemeral: n == 2,
        },
        incarnation: Incarnation(7),
        last_seen: Some(later(1)),
        endpoints: vec![IpAddr::from([192, 0, 2, n])],
        approval: word(false),
        preference: word(200),
        drain: word(()),
    }
}

fn row(id: u64, node: u64, to: &str) -> RouteRow {
    RouteRow {
        id: RowId(id),
        node: NodeId(node),
        prefix: prefix(to),
        advertised: true,
        enabled: true,
        is_primary: true,
        was_primary: false,
        standing: None,
        approval: Some(Word { is: true, by: By::Rule("r".into()), why: String::new(), at: NOW }),
        preference: None,
        drain: word(()),
        was_enabled: Some(WasEnabled { by: By::Person("bob".into()), since: NOW, until: later(5) }),
        created: NOW,
        updated: later(9),
        deleted: None,
    }
}

fn node(record: NodeRecord) -> NodeWrite {
    NodeWrite::Node(Box::new(record))
}

fn of(row: RouteRow) -> NodeWrite {
    NodeWrite::Row(Box::new(row))
}

async fn with_alice() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.create_node_user(alice()).await.unwrap();
    fixture
}

fn alice() -> NodeUser {
    let (display_name, email) = (Note::from("Alice"), Note::from("a@example.com"));
    NodeUser { name: named("alice@"), display_name, email, created: NOW }
}

fn alices() -> Owner {
    Owner::User(named("alice@"))
}

async fn listed(registry: &SqliteRegistry) -> (Vec<NodeRecord>, Vec<RouteRow>) {
    let nodes = registry.nodes(Page::first(100)).await.unwrap();
    (nodes, registry.route_rows(Page::first(100)).await.unwrap())
}

#[tokio::test]
async fn nodes_and_rows_return_as_they_were_written() {
    let fixture = with_alice().await;
    let bare = NodeRecord {
        node: Node {
            expiry: None,
            addresses: vec![],
            ..record(2, Owner::Tags(tags(&["tag:b", "tag:a"]))).node
        },
        last_seen: None,
        endpoints: vec![],
        approval: None,
        preference: None,
        drain: None,
        ..record(2, alices())
    };
    let none = RouteRow { approval: None, drain: None, was_enabled: None, ..row(5, 2, "::/0") };
    let (one, first) = (record(1, alices()), row(4, 1, "10.0.0.0/24"));
    let writes = vec![node(one.clone()), node(bare.clone()), of(first.clone()), of(none.clone())];
    fixture.write_nodes(writes).await.unwrap();
    let fixture = fixture.restarted().await;
    assert_eq!(listed(&fixture).await, (vec![one.clone(), bare], vec![first.clone(), none]));
    // In pages, and written over.
    let page = fixture.nodes(Page::after(NodeId(1), 1)).await.unwrap();
    assert_eq!(page.iter().map(|r| r.node.id.0).collect::<Vec<_>>(), [2]);
    let page = fixture.route_rows(Page::after(RowId(4), 1)).await.unwrap();
    assert_eq!(page.iter().map(|r| r.id.0).collect::<Vec<_>>(), [5]);
    let renamed =
        NodeRecord { node: Node { name: "gate".parse().unwrap(), ..one.node.clone() }, ..one };
    let lost = RouteRow { is_primary: false, was_primary: true, ..first };
    fixture.write_nodes(vec![node(renamed.clone()), of(lost.clone())]).await.unwrap();
    let (nodes, rows) = listed(&fixture).await;
    assert_eq!((&nodes[0], &rows[0]), (&renamed, &lost));
}

#[tokio::test]
async fn what_goes_takes_its_rows_along_and_no_number_is_given_twice() {
    let fixture = with_alice().await;
    let none = NodeNumbers { node: NodeId(0), row: RowId(0) };
    assert_eq!(fixture.node_numbers().await.unwrap(), none);
    let writes = vec![
        node(record(1, alices())),
        node(record(2, alices())),
        of(row(1, 1, "10.0.0.0/24")),
        of(row(2, 2, "10.0.0.0/24")),
        of(row(3, 2, "10.2.0.0/24")),
    ];
    fixture.write_nodes(writes).await.unwrap();
    let gone =
        vec![NodeWrite::NodeGone(NodeId(2)), NodeWrite::RowGone(NodeId(1), prefix("10.0.0.0/24"))];
    fixture.write_nodes(gone).await.unwrap();
    // What is late of a node that is gone does no harm.
    fixture.write_nodes(vec![of(row(3, 2, "10.2.0.0/24"))]).await.unwrap();
    let fixture = fixture.restarted().await;
    let (nodes, rows) = listed(&fixture).await;
    assert_eq!((nodes.len(), rows.len()), (1, 0));
    let last = NodeNumbers { node: NodeId(2), row: RowId(3) };
    assert_eq!(fixture.node_numbers().await.unwrap(), last);
}

#[tokio::test]
async fn writes_are_made_together_or_not_at_all() {
    let fixture = with_alice().await;
    fixture.write_nodes(vec![node(record(1, alices()))]).await.unwrap();
    let taken = NodeRecord {
        node: Node { key: PublicKey([1; 32]), ..record(3, alices()).node },
        ..record(3, alices())
    };
    let eves = record(3, Owner::User(named("eve@")));
    for (bad, is_key) in [(taken, true), (eves, false)] {
        let writes = vec![node(record(2, alices())), of(row(1, 1, "10.0.0.0/24")), node(bad)];
        let error = fixture.write_nodes(writes).await.unwrap_err();
        assert_eq!(matches!(error, Error::KeyTaken), is_key, "{error}");
        assert_eq!(error.fault(), Fault::Caller);
        let (nodes, rows) = listed(&fixture).await;
        assert_eq!((nodes.len(), rows.len()), (1, 0));
    }
}

#[tokio::test]
async fn one_key_is_one_speakers() {
    let fixture = with_alice().await;
    fixture.write_nodes(vec![node(record(1, alices()))]).await.unwrap();
    let gateways = TokenSecret::generate(TokenKind::Join).unwrap();
    let grant = Grant::Join { reusable: true, role: Role::Gateway };
    let new = NewToken { hash: gateways.hash(), name: Note::default(), grant, expires: None };
    fixture.create_token(NOW, new).await.unwrap();
    let gateway = |n| NewMember {
        name: "edge-1".parse().unwrap(),
        role: Role::Gateway,
        key: PublicKey([n; 32]),
    };
    let error = fixture.enrol(NOW, &gateways, gateway(1)).await.unwrap_err();
    assert!(matches!(error, Error::KeyTaken), "{error}");
    fixture.enrol(NOW, &gateways, gateway(2)).await.unwrap();
    let claim = Claim { key: Some(PublicKey([3; 32])), ..claim_of("u", "u") };
    fixture.claim(NOW, claim).await.unwrap();
    for n in [2, 3] {
        let error = fixture.write_nodes(vec![node(record(n, alices()))]).await.unwrap_err();
        assert!(matches!(error, Error::KeyTaken), "{error}");
    }
}

fn new_key(secret: &TokenSecret, user: Option<&str>, list: &[&str]) -> NewPreauthToken {
    NewPreauthToken {
        hash: secret.hash(),
        user: user.map(named),
        tags: tags(list),
        reusable: false,
        ephemeral: true,
        expires: Some(later(60)),
    }
}

#[tokio::test]
async fn a_preauth_key_lets_a_node_in_once_and_what_is_refused_uses_nothing_up() {
    let fixture = with_alice().await;
    let secret = TokenSecret::generate(TokenKind::Join).unwrap();
    let made = fixture.create_preauth_key(NOW, new_key(&secret, Some("alice@"), &["tag:r"])).await;
    let made = made.unwrap();
    assert_eq!((made.user.clone(), made.tags.clone()), (Some(named("alice@")), tags(&["tag:r"])));
    assert!(made.ephemeral && !made.reusable && made.last_used.is_none());
    assert_eq!(fixture.preauth_key(&secret).await.unwrap(), made);
    let eves = fixture.enrol_node(NOW, &secret, record(1, Owner::User(named("eve@")))).await;
    assert!(matches!(eves, Err(Error::NotFound { what: "user", .. })), "{eves:?}");
    assert_eq!(fixture.preauth_key(&secret).await.unwrap().last_used, None);
    fixture.enrol_node(later(1), &secret, record(1, alices())).await.unwrap();
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.preauth_key(&secret).await.unwrap().last_used, Some(later(1)));
    let spent = fixture.enrol_node(later(2), &secret, record(2, alices())).await.unwrap_err();
    assert!(matches!(spent, Error::Token(TokenRefusal::Used)), "{spent}");
    // It lets nothing else in, and no other token lets a node in.
    let other = TokenSecret::generate(TokenKind::Join).unwrap();
    fixture.create_preauth_key(NOW, new_key(&other, Some("alice@"), &[])).await.unwrap();
    for role in [Role::Gateway, Role::Node] {
        let new = NewMember { name: "x".parse().unwrap(), role, key: PublicKey([9; 32]) };
        let error = fixture.enrol(NOW, &other, new).await.unwrap_err();
        assert!(
            matches!(error, Error::Token(TokenRefusal::Role) | Error::Refused { .. }),
            "{error}"
        );
    }
    let ended = fixture.enrol_node(later(60), &other, record(2, alices())).await.unwrap_err();
    assert!(matches!(ended, Error::Token(TokenRefusal::Expired)), "{ended}");
    let agents = TokenSecret::generate(TokenKind::Join).unwrap();
    let grant = Grant::Join { reusable: true, role: Role::Agent };
    let new = NewToken { hash: agents.hash(), name: Note::default(), grant, expires: None };
    fixture.create_token(NOW, new).await.unwrap();
    let error = fixture.enrol_node(NOW, &agents, record(2, alices())).await.unwrap_err();
    assert!(matches!(error, Error::Token(TokenRefusal::Role)), "{error}");
    assert_eq!(fixture.preauth_keys(Page::first(10)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn users_are_made_renamed_and_removed_with_their_keys_but_not_under_their_nodes() {
    let fixture = with_alice().await;
    let error = fixture.create_node_user(alice()).await.unwrap_err();
    assert!(matches!(error, Error::Exists { what: "user", .. }), "{error}");
    fixture.create_node_user(NodeUser { name: named("bob@"), ..alice() }).await.unwrap();
    let error = fixture.rename_node_user(&named("alice@"), &named("bob@")).await.unwrap_err();
    assert!(matches!(error, Error::Exists { what: "user", .. }), "{error}");
    fixture.write_nodes(vec![node(record(1, alices()))]).await.unwrap();
    let secret = TokenSecret::generate(TokenKind::Join).unwrap();
    fixture.create_preauth_key(NOW, new_key(&secret, Some("alice@"), &[])).await.unwrap();
    let carol = fixture.rename_node_user(&named("alice@"), &named("carol@")).await.unwrap();
    assert_eq!(carol, NodeUser { name: named("carol@"), ..alice() });
    let fixture = fixture.restarted().await;
    let (nodes, _) = listed(&fixture).await;
    assert_eq!(nodes[0].node.owner, Owner::User(named("carol@")));
    assert_eq!(fixture.preauth_key(&secret).await.unwrap().user, Some(named("carol@")));
    let error = fixture.remove_node_user(&carol.name).await.unwrap_err();
    assert!(error.to_string().contains("has 1 node: delete them first"), "{error}");
    fixture.write_nodes(vec![NodeWrite::NodeGone(NodeId(1))]).await.unwrap();
    fixture.remove_node_user(&carol.name).await.unwrap();
    let error = fixture.preauth_key(&secret).await.unwrap_err();
    assert!(matches!(error, Error::Token(TokenRefusal::Unknown)), "{error}");
    let users = fixture.node_users(Page::first(10)).await.unwrap();
    assert_eq!(users.into_iter().map(|u| u.name).collect::<Vec<_>>(), [named("bob@")]);
    let error = fixture.remove_node_user(&carol.name).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "user", .. }), "{error}");
}

#[tokio::test]
async fn nodes_are_bounded_and_one_that_is_there_isnt_refused() {
    let fixture = with_alice().await;
    fixture
        .writer
        .write(|c| {
            Box::pin(async move {
                let many = "WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?) \
                    INSERT INTO nodes (number, public_key, name, user, tags, addresses, created, \
                    ephemeral, incarnation, endpoints) SELECT n + 10, \
                    CAST(printf('%032d', n) AS BLOB), 'n' || n, NULL, 'tag:a', '', 0, 0, 0, '' FROM i";
                sqlx::query(many).bind(MAX_NODES as i64 - 1).execute(c).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    fixture.write_nodes(vec![node(record(1, alices()))]).await.unwrap();
    let error = fixture.write_nodes(vec![node(record(2, alices()))]).await.unwrap_err();
    assert!(matches!(error, Error::Bound { what: "nodes", most: MAX_NODES }), "{error}");
    fixture.write_nodes(vec![node(record(1, alices()))]).await.unwrap();
    fixture
        .write_nodes(vec![NodeWrite::NodeGone(NodeId(1)), node(record(2, alices()))])
        .await
        .unwrap();
}
