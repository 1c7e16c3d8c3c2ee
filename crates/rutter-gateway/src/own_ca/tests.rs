use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rutter_route::Service;

use super::*;
use crate::routes::Routes;
use crate::testing::{Authority, name};

const NOW: Wall = Wall(1_800_000_000_000);
const DAY: u64 = 86_400_000;

/// A CA that counts what it signs: good for two days, to be renewed after one.
struct Counting {
    authority: Authority,
    n_signed: AtomicUsize,
    refuses: AtomicBool,
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counting")
    }
}

impl SignsNames for Counting {
    fn sign(&self, now: Wall, names: &[&str]) -> Result<SignedNames, SigningError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err("it is told to".into());
        }
        self.n_signed.fetch_add(1, Ordering::Relaxed);
        let (chain, key) = self.authority.sign(names).into_parts();
        Ok(SignedNames {
            chain,
            key,
            renew_at: Wall(now.0 + DAY),
            not_after: Wall(now.0 + 2 * DAY),
        })
    }
}

fn counting() -> Arc<Counting> {
    Arc::new(Counting {
        authority: Authority::new("own"),
        n_signed: AtomicUsize::new(0),
        refuses: AtomicBool::new(false),
    })
}

/// A CA for `nsl.sh` beside an index of these services.
fn own_ca(services: &[&str]) -> (OwnCa, Arc<Counting>, Arc<HostIndex>) {
    let domains = [name("nsl.sh")];
    let index = Arc::new(HostIndex::new(&domains));
    for service in services {
        set(&index, service);
    }
    let signer = counting();
    (OwnCa::new(signer.clone(), index.clone(), &domains), signer, index)
}

fn set(index: &HostIndex, service: &str) {
    let service = name(service);
    let service = Service::http(service.clone());
    index.set(&service, Some(Arc::new(Routes::new(service.clone(), Vec::new()))));
}

fn names_of(ca: &OwnCa, asked: &str) -> Option<Vec<String>> {
    ca.certificate_for(asked, NOW).map(|key| crate::server::names(&key))
}

#[test]
fn names_that_lead_to_a_service_are_signed_for_and_no_others() {
    let (ca, signer, _index) =
        own_ca(&["alice.nsl.sh", "web.carol.nsl.sh", "bank.example", "nsl.sh"]);
    let one = |name: &str| Some(vec![name.to_owned()]);
    let both = |name: &str| Some(vec![name.to_owned(), format!("*.{name}")]);
    let cases = [
        ("alice.nsl.sh", both("alice.nsl.sh")),
        ("web.alice.nsl.sh", both("alice.nsl.sh")),
        ("other.alice.nsl.sh", both("alice.nsl.sh")),
        ("web-alice.nsl.sh", one("web-alice.nsl.sh")),
        ("a.b.alice.nsl.sh", one("a.b.alice.nsl.sh")),
        ("web.carol.nsl.sh", both("web.carol.nsl.sh")),
        ("x.web.carol.nsl.sh", None),
        ("carol.nsl.sh", None),
        ("bob.nsl.sh", None),
        ("web.bob.nsl.sh", None),
        ("evilalice.nsl.sh", None),
        // Known, but not under a domain.
        ("bank.example", None),
        ("nsl.sh", None),
        (".nsl.sh", None),
        ("", None),
    ];
    for (asked, names) in cases {
        assert_eq!(names_of(&ca, asked), names, "{asked}");
    }
    assert_eq!(signer.n_signed.load(Ordering::Relaxed), 4);
}

#[test]
fn a_name_that_is_gone_is_signed_for_no_more() {
    let (ca, signer, index) = own_ca(&["alice.nsl.sh"]);
    assert!(names_of(&ca, "alice.nsl.sh").is_some());
    index.set(&Service::http(name("alice.nsl.sh")), None);
    assert_eq!(names_of(&ca, "alice.nsl.sh"), None);
    set(&index, "alice.nsl.sh");
    assert!(names_of(&ca, "alice.nsl.sh").is_some());
    assert_eq!(signer.n_signed.load(Ordering::Relaxed), 1, "it was kept");
}

#[test]
fn a_name_that_becomes_a_service_covers_what_lies_below_it() {
    let (ca, _signer, index) = own_ca(&["alice.nsl.sh"]);
    assert_eq!(names_of(&ca, "a.b.alice.nsl.sh").unwrap(), ["a.b.alice.nsl.sh"]);
    set(&index, "a.b.alice.nsl.sh");
    let both = ["a.b.alice.nsl.sh", "*.a.b.alice.nsl.sh"];
    assert_eq!(names_of(&ca, "a.b.alice.nsl.sh").unwrap(), both);
}

#[test]
fn many_handshakes_for_one_name_share_a_signature() {
    let (ca, signer, _index) = own_ca(&["alice.nsl.sh"]);
    let (ca, together) = (Arc::new(ca), Arc::new(Barrier::new(8)));
    let ask = |_| {
        let (ca, together) = (ca.clone(), together.clone());
        std::thread::spawn(move || {
            together.wait();
            ca.certificate_for("alice.nsl.sh", NOW).unwrap()
        })
    };
    let asking: Vec<_> = (0..8).map(ask).collect();
    let keys: Vec<_> = asking.into_iter().map(|asked| asked.join().unwrap()).collect();
    assert!(keys.iter().all(|key| Arc::ptr_eq(key, &keys[0])));
    assert_eq!(signer.n_signed.load(Ordering::Relaxed), 1);
}

#[test]
fn what_is_due_is_signed_anew_and_what_has_ended_is_never_shown() {
    let (ca, signer, _index) = own_ca(&["alice.nsl.sh"]);
    let at = |after: u64| ca.certificate_for("alice.nsl.sh", Wall(NOW.0 + after));
    let first = at(0).unwrap();
    assert!(Arc::ptr_eq(&first, &at(DAY - 1).unwrap()));
    // Due, and the CA doesn't: the old one to its end, and not longer.
    signer.refuses.store(true, Ordering::Relaxed);
    assert!(Arc::ptr_eq(&first, &at(DAY).unwrap()));
    assert!(at(2 * DAY).is_none());
    signer.refuses.store(false, Ordering::Relaxed);
    let second = at(2 * DAY).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(signer.n_signed.load(Ordering::Relaxed), 2);
}

#[test]
fn of_too_many_the_one_not_asked_for_the_longest_goes() {
    let (ca, signer, _index) = own_ca(&["alice.nsl.sh"]);
    let n_signed = || signer.n_signed.load(Ordering::Relaxed);
    let ask = |n: usize| assert!(names_of(&ca, &format!("n{n}-alice.nsl.sh")).is_some());
    (0..CAPACITY).for_each(ask);
    ask(0);
    assert_eq!(n_signed(), CAPACITY);
    ask(CAPACITY);
    assert_eq!((held(&ca.kept).by_name.len(), n_signed()), (CAPACITY, CAPACITY + 1));
    ask(0);
    assert_eq!(n_signed(), CAPACITY + 1, "it was asked for lately");
    ask(1);
    assert_eq!(n_signed(), CAPACITY + 2, "it had to go");
}

/// Prints what the module's head says; a busy machine would break any bound but a wide one.
#[test]
fn a_signature_is_cheap() {
    let (ca, _signer, _index) = own_ca(&["alice.nsl.sh"]);
    let begun = Instant::now();
    for n in 0..200 {
        assert!(ca.certificate_for(&format!("n{n}-alice.nsl.sh"), NOW).is_some());
    }
    let each = begun.elapsed() / 200;
    println!("{each:?} a signature, with its key");
    assert!(each < Duration::from_millis(50), "{each:?}");
}
