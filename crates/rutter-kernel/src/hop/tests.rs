use super::*;

fn via(address: &str) -> Hop {
    Hop::via(address.parse().unwrap())
}

#[test]
fn a_link_name_is_what_the_kernel_takes() {
    for name in ["br100", "eth0.12", "a", "fifteen-bytes-x"] {
        assert_eq!(name.parse::<LinkName>().unwrap().to_string(), name);
    }
    for name in ["", ".", "..", "a/b", "a b", "eth0:1", "sixteen-bytes-xx"] {
        assert!(name.parse::<LinkName>().is_err(), "{name}");
    }
}

#[test]
fn a_set_is_sorted_and_has_each_hop_once() {
    assert_eq!(HopSet::new([]), None);
    let set = HopSet::new([
        via("10.0.0.2").weighing(2),
        via("10.0.0.1").weighing(0),
        via("10.0.0.2").weighing(3),
    ]);
    let expected = [via("10.0.0.1"), via("10.0.0.2").weighing(5)];
    assert!(set.unwrap().iter().eq(&expected));
}

#[test]
fn weights_are_scaled_to_what_the_kernel_takes() {
    let set = HopSet::new([via("10.0.0.1").weighing(u16::MAX), via("10.0.0.2").weighing(1)]);
    let weights: Vec<u16> = set.unwrap().iter().map(|hop| hop.weight).collect();
    assert_eq!(weights, [256, 1]);
    assert_eq!(HopSet::new([via("10.0.0.1").weighing(9)]), Some(HopSet::of(via("10.0.0.1"))));
}
