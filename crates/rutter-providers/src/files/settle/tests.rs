use proptest::prelude::*;

use super::*;

const START: Mono = Mono(10_000);

fn ms(ms: u64) -> Mono {
    START.after(Duration::from_millis(ms))
}

fn one_route() -> Reading {
    let variables: crate::files::Variables = std::sync::Arc::new(|_| None);
    let text = "app: {host: 10.0.0.1, port: 80}";
    crate::godoxy::read_file("f", text, &|name| variables(name), &Default::default()).unwrap()
}

fn told() -> Option<Tell> {
    Some(Tell::Reading(one_route()))
}

fn good(digest: u64) -> Read {
    Read { print: None, digest: Some(digest), found: Found::Good(one_route()) }
}

fn found(found: Found) -> Read {
    Read { print: None, digest: None, found }
}

/// One that was read, and has a route.
fn settled() -> Settling {
    let mut file = Settling::new(START);
    assert_eq!((file.wanted(), file.begin(START)), (Some(START), None));
    assert_eq!(file.took(good(1), START), told());
    assert_eq!((file.wanted(), file.standing()), (None, &FileStanding::Good));
    file
}

#[test]
fn a_file_that_was_closed_is_read_at_once_and_what_follows_once_more() {
    let mut file = settled();
    file.touched(ms(1000));
    assert_eq!(file.wanted(), Some(ms(1000)));
    assert_eq!(file.begin(ms(1000)), Some(1));
    for after in 1..5 {
        file.touched(ms(1000 + after));
        assert_eq!(file.wanted(), None, "it is being read");
    }
    assert_eq!(file.took(good(2), ms(1005)), told());
    assert_eq!(file.wanted(), Some(ms(1020)));
}

#[test]
fn one_that_is_being_written_is_read_when_it_is_closed() {
    let mut file = settled();
    file.touched(ms(100));
    file.is_written();
    file.may_have_changed(ms(101));
    assert_eq!(file.wanted(), None);
    file.touched(ms(500));
    assert_eq!(file.wanted(), Some(ms(500)));
}

#[test]
fn what_was_read_while_somebody_wrote_is_not_told() {
    let mut file = settled();
    file.touched(ms(100));
    file.begin(ms(100));
    file.is_written();
    assert_eq!(file.took(good(2), ms(101)), None);
    assert_eq!(file.wanted(), None);
    file.touched(ms(150));
    file.begin(ms(150));
    // Closed before what was read is looked at: still it may be a part.
    file.is_written();
    file.touched(ms(151));
    assert_eq!(file.took(good(2), ms(152)), None);
    assert_eq!(file.wanted(), Some(ms(170)));
    file.touched(ms(200));
    file.begin(ms(200));
    assert_eq!(file.took(found(Found::Torn), ms(201)), None);
    assert_eq!(file.wanted(), Some(ms(220)), "it is read again");
}

#[test]
fn what_is_never_closed_is_read_when_it_stood_still_from_one_look_to_the_next() {
    let other = Print::of(std::path::Path::new("/")).unwrap();
    let mut file = settled();
    file.is_written();
    file.looked(Some(other), false, ms(1000));
    assert_eq!(file.wanted(), None);
    file.looked(None, false, ms(2000));
    assert_eq!(file.wanted(), None, "it is as it was read");
    file.looked(Some(other), false, ms(3000));
    file.looked(Some(other), false, ms(4000));
    assert_eq!(file.wanted(), Some(ms(4000)));
    // A link is changed in one step.
    let mut file = settled();
    file.looked(Some(other), true, ms(1000));
    assert_eq!(file.wanted(), Some(ms(1000)));
}

#[test]
fn one_that_is_gone_or_empty_keeps_its_routes_for_a_moment() {
    for absent in [|| Found::Missing, || Found::Empty] {
        let mut file = settled();
        file.touched(ms(100));
        file.begin(ms(100));
        assert_eq!(file.took(found(absent()), ms(100)), None);
        let due = ms(100).after(GRACE);
        assert_eq!((file.wanted(), file.standing()), (Some(due), &FileStanding::Good));
        // Back in time: nothing happened.
        let mut back = file;
        back.touched(ms(130));
        back.begin(ms(130));
        assert_eq!(back.took(found(Found::Same), ms(130)), None);
        assert_eq!((back.wanted(), back.standing()), (None, &FileStanding::Good));
        // Gone for good.
        back.touched(ms(200));
        for at in [ms(200), ms(200).after(GRACE)] {
            assert!(back.wanted() <= Some(at));
            back.begin(at);
            let told = back.took(found(absent()), at);
            let gone = match absent() {
                Found::Missing => Tell::Gone,
                _ => Tell::Reading(Reading::default()),
            };
            assert_eq!(told, (at > ms(200)).then_some(gone));
        }
        assert_eq!(back.wanted(), None);
    }
}

#[test]
fn one_that_was_never_there_is_lost_and_an_empty_one_has_no_routes() {
    let mut file = Settling::new(START);
    file.begin(START);
    assert!(matches!(file.took(found(Found::Missing), START), Some(Tell::Lost(_))));
    // What a reader before this one told may stand still.
    assert_eq!(
        (file.standing(), file.wanted()),
        (&FileStanding::Missing, Some(START.after(GRACE)))
    );
    file.begin(START.after(GRACE));
    assert_eq!(file.took(found(Found::Missing), START.after(GRACE)), Some(Tell::Gone));
    file.touched(ms(5000));
    file.begin(ms(5000));
    assert_eq!(file.took(found(Found::Missing), ms(5000)), None);
    assert_eq!((file.standing(), file.wanted()), (&FileStanding::Missing, None));
    let mut file = Settling::new(START);
    file.begin(START);
    let none = Some(Tell::Reading(Reading::default()));
    assert_eq!(file.took(found(Found::Empty), START), none);
    assert_eq!(file.standing(), &FileStanding::Good);
}

#[test]
fn a_broken_one_is_lost_once_and_the_last_good_text_is_read_anew_after_it() {
    let mut file = settled();
    file.touched(ms(100));
    file.begin(ms(100));
    let broken =
        |digest| Read { print: None, digest: Some(digest), found: Found::Broken("x".to_owned()) };
    assert_eq!(file.took(broken(2), ms(100)), Some(Tell::Lost("x".to_owned())));
    file.touched(ms(150));
    file.begin(ms(150));
    assert_eq!(file.took(broken(2), ms(150)), None);
    assert_eq!(file.standing(), &FileStanding::Broken("x".to_owned()));
    file.touched(ms(200));
    // The text before it is known no more: it must be told that it is good again.
    assert_eq!(file.begin(ms(200)), Some(2));
    assert_eq!(file.took(good(1), ms(200)), told());
    assert_eq!(file.standing(), &FileStanding::Good);
}

proptest! {
    /// Whatever happens in whatever order: once it is quiet, a file that was touched last is read
    /// within a pause, or is being read.
    #[test]
    fn whatever_happened_it_is_read_after_the_last_touch(
        steps in proptest::collection::vec((0u8..6, 0u64..30), 0..40),
    ) {
        let mut file = Settling::new(START);
        let mut now = START;
        let mut is_reading = false;
        for (what, wait) in steps {
            now = now.after(Duration::from_millis(wait));
            match what {
                0 => file.touched(now),
                1 => file.is_written(),
                2 => file.may_have_changed(now),
                3 => file.looked(None, false, now),
                _ if is_reading => {
                    let read = if what == 4 { good(wait) } else { found(Found::Missing) };
                    file.took(read, now);
                    is_reading = false;
                }
                _ if file.wanted().is_some_and(|at| at <= now) => {
                    file.begin(now);
                    is_reading = true;
                }
                _ => {}
            }
        }
        file.touched(now);
        if is_reading {
            file.took(good(99), now);
        }
        let by = now.after(PAUSE);
        prop_assert!(file.wanted().is_some_and(|at| at <= by));
    }
}
