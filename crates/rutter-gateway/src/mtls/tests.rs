use super::Asked::{Nothing, Of, Several};
use super::Misplaced::{OfAnother, Plain};
use super::{Shown, ShownTo, check};

fn shown(profile: &str, to: Option<&str>) -> Option<Shown> {
    let to = match to {
        None => ShownTo::Listener,
        Some(service) => ShownTo::Service(service.parse().unwrap()),
    };
    Some(Shown { profile: profile.into(), to })
}

#[test]
fn a_request_passes_by_what_was_shown_for_its_own_service_or_to_the_listener() {
    let staff = || Of("staff".into());
    let cases = [
        (None, Nothing, true, Ok(())),
        (None, Nothing, false, Ok(())),
        (None, staff(), true, Err(OfAnother)),
        (None, staff(), false, Err(Plain)),
        (None, Several, true, Err(OfAnother)),
        (shown("staff", Some("app")), staff(), true, Ok(())),
        (shown("staff", Some("other")), staff(), true, Err(OfAnother)),
        (shown("staff", Some("app")), Nothing, true, Ok(())),
        (shown("staff", Some("other")), Nothing, true, Err(OfAnother)),
        (shown("staff", Some("app")), Several, true, Err(OfAnother)),
        (shown("guests", Some("app")), staff(), true, Err(OfAnother)),
        (shown("staff", None), staff(), true, Ok(())),
        (shown("staff", None), Nothing, true, Ok(())),
        (shown("staff", None), Several, true, Err(OfAnother)),
        (shown("guests", None), staff(), true, Err(OfAnother)),
    ];
    let service = "app/api".parse().unwrap();
    for (shown, asked, tls, wanted) in cases {
        assert_eq!(check(shown.as_ref(), &asked, &service, tls), wanted, "{shown:?} {asked:?}");
    }
}
