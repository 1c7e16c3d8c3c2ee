//! How nodes come in.

use super::*;

fn for_alice() -> NewPreauthKey {
    NewPreauthKey { user: Some("alice@".parse().unwrap()), ..NewPreauthKey::default() }
}

#[tokio::test]
async fn a_preauth_key_lets_in_once_and_whoever_is_in_is_told_so() {
    let world = World::with_users(config()).await;
    let (made, once) = world.preauth(for_alice()).await;
    let node = world.fleet.enrol(enrol(1, "router", Some(&once))).await.unwrap();
    assert_eq!((node.id, node.name.as_str()), (NodeId(1), "router"));
    assert_eq!(node.owner, user("alice@"));
    let addresses: Vec<_> = node.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["100.64.0.1", "fd7a:115c:a1e0::1"]);
    assert!(node.expiry.is_some() && world.fleet.knows(&key(1)));
    // The answer got lost: it is told what stands, though the key is used up.
    assert_eq!(world.fleet.enrol(enrol(1, "router", Some(&once))).await.unwrap(), node);
    let error = world.fleet.enrol(enrol(2, "other", Some(&once))).await.unwrap_err();
    assert!(matches!(&error, FleetError::PreauthKey(why) if why.contains("used up")), "{error}");
    assert!(!world.fleet.knows(&key(2)));
    let listed = world.fleet.preauth_keys().await.unwrap();
    assert!(listed.len() == 1 && listed[0].id == made.id && listed[0].last_used.is_some());

    let (made, revoked) = world.preauth(for_alice()).await;
    world.fleet.expire_preauth_key("ann", &made.id).await.unwrap();
    let error = world.fleet.enrol(enrol(2, "other", Some(&revoked))).await.unwrap_err();
    assert!(matches!(&error, FleetError::PreauthKey(why) if why.contains("revoked")), "{error}");
    let guess = TokenSecret::presented("rtj_guess");
    let error = world.fleet.enrol(enrol(2, "other", Some(&guess))).await.unwrap_err();
    assert!(matches!(error, FleetError::PreauthKey(_)), "{error}");
}

#[tokio::test]
async fn of_many_who_come_at_once_each_has_a_number_name_and_address_of_its_own() {
    let world = World::with_users(config()).await;
    let tags = vec![crate::parse_tag("tag:router").unwrap()];
    let new = NewPreauthKey { tags, reusable: true, ..NewPreauthKey::default() };
    let (_, many) = world.preauth(new).await;
    let tries = (1..=100u8).map(|n| {
        let (fleet, many) = (world.fleet.clone(), many.clone());
        tokio::spawn(async move { fleet.enrol(enrol(n, "r", Some(&many))).await })
    });
    let mut nodes = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        nodes.push(one.await.unwrap().unwrap());
    }
    let ids: BTreeSet<_> = nodes.iter().map(|n| n.id).collect();
    let names: BTreeSet<_> = nodes.iter().map(|n| n.name.clone()).collect();
    let addresses: BTreeSet<_> = nodes.iter().flat_map(|n| n.addresses.clone()).collect();
    assert_eq!((ids.len(), names.len(), addresses.len()), (100, 100, 200));
    assert!(nodes.iter().all(|n| n.expiry.is_none()), "a tagged node's key is good for ever");
    let world = world.killed(()).await;
    let listed = world.fleet.nodes(None, 1000).await.unwrap();
    nodes.sort_by_key(|n| n.id);
    assert_eq!(listed.into_iter().map(|view| view.node).collect::<Vec<_>>(), nodes);
    let page = world.fleet.nodes(Some(NodeId(98)), 10).await.unwrap();
    assert_eq!(page.iter().map(|v| v.node.id.0).collect::<Vec<_>>(), [99, 100]);
}

#[tokio::test]
async fn who_has_no_key_waits_for_a_person() {
    let world = World::with_users(config()).await;
    for n in [1, 2] {
        let error = world.fleet.enrol(enrol(n, "laptop", None)).await.unwrap_err();
        assert!(matches!(error, FleetError::Pending { .. }), "{error}");
        assert!(error.to_string().contains("rutter nodes register"), "{error}");
    }
    assert_eq!(world.fleet.pending().len(), 2);
    let node = world.fleet.register("ann", key(1), user("bob@"), None).await.unwrap();
    assert_eq!(node.name.as_str(), "laptop");
    assert_eq!(world.fleet.enrol(enrol(1, "laptop", None)).await.unwrap(), node);
    world.fleet.reject("ann", &key(2)).unwrap();
    assert!(world.fleet.pending().is_empty());
    let gone = world.fleet.register("ann", key(2), user("bob@"), None).await.unwrap_err();
    assert!(matches!(gone, FleetError::NotFound { .. }), "{gone}");
    // A name that a person gives must be free, and a user must be there.
    let taken = Some("laptop".parse().unwrap());
    let error = world.fleet.register("ann", key(2), user("bob@"), taken).await.unwrap_err();
    assert!(matches!(error, FleetError::Exists { .. }), "{error}");
    let name = Some("phone".parse().unwrap());
    let error = world.fleet.register("ann", key(2), user("eve@"), name).await.unwrap_err();
    assert!(matches!(error, FleetError::NotFound { what: "user", .. }), "{error}");
    let wanted = world.fleet.enrol(enrol(3, "laptop", None)).await;
    assert!(wanted.is_err());
    let node = world.fleet.register("ann", key(3), user("bob@"), None).await.unwrap();
    assert_eq!(node.name.as_str(), "laptop-1");
}

#[tokio::test]
async fn users_are_renamed_with_their_nodes_and_stay_while_they_have_some() {
    let world = World::with_users(config()).await;
    let (alice, carol) = ("alice@".parse().unwrap(), "carol@".parse().unwrap());
    world.node(1, "alice@").await;
    let (_, once) = world.preauth(for_alice()).await;
    let error = world.fleet.remove_user("ann", &alice).await.unwrap_err();
    assert!(matches!(error, FleetError::InUse(_)), "{error}");
    let bob = "bob@".parse().unwrap();
    let error = world.fleet.rename_user("ann", &alice, bob).await.unwrap_err();
    assert!(matches!(error, FleetError::Exists { what: "user", .. }), "{error}");
    world.fleet.rename_user("ann", &alice, carol).await.unwrap();
    let world = world.killed(()).await;
    let view = world.fleet.node(&NodeRef::Id(NodeId(1))).await.unwrap();
    assert_eq!(view.node.owner, user("carol@"));
    let node = world.fleet.enrol(enrol(2, "r", Some(&once))).await.unwrap();
    assert_eq!(node.owner, user("carol@"));
    for id in [1, 2] {
        world.fleet.delete("ann", NodeId(id)).await.unwrap();
    }
    world.fleet.remove_user("ann", &"carol@".parse().unwrap()).await.unwrap();
    assert!(world.fleet.preauth_keys().await.unwrap().is_empty());
    let names: Vec<_> = world.fleet.users().await.unwrap().into_iter().map(|u| u.name).collect();
    assert_eq!(names, ["bob@".parse().unwrap()]);
}
