//! Settings of a network namespace.

use rutter_kernel::Family;
use rutter_kernel::sysctl::{ReversePath, Scope, Settings};

use crate::namespace::in_namespace;

#[test]
fn settings_are_those_of_the_threads_namespace_and_are_written_there() {
    in_namespace(|| {
        let settings = Settings::default();
        for family in [Family::V4, Family::V6] {
            for on in [true, false, true] {
                settings.set_forwarding(family, on).unwrap();
                assert_eq!(settings.forwarding(family).unwrap(), on);
            }
        }
        let up0 = Scope::Link("up0".parse().unwrap());
        settings.set_reverse_path(&Scope::All, ReversePath::Off).unwrap();
        let name = "up0".parse().unwrap();
        for (of_all, of_link, effective) in [
            (ReversePath::Off, ReversePath::Off, ReversePath::Off),
            (ReversePath::Off, ReversePath::Strict, ReversePath::Strict),
            (ReversePath::Loose, ReversePath::Strict, ReversePath::Loose),
            (ReversePath::Strict, ReversePath::Off, ReversePath::Strict),
        ] {
            settings.set_reverse_path(&Scope::All, of_all).unwrap();
            settings.set_reverse_path(&up0, of_link).unwrap();
            assert_eq!(settings.reverse_path(&up0).unwrap(), of_link);
            assert_eq!(settings.effective_reverse_path(&name).unwrap(), effective);
        }
        if let Some(compat) = settings.nexthop_compat().unwrap() {
            settings.set_nexthop_compat(!compat).unwrap();
            assert_eq!(settings.nexthop_compat().unwrap(), Some(!compat));
        } else {
            println!("this kernel has no nexthop_compat_mode");
        }
        for family in [Family::V4, Family::V6] {
            assert!(!settings.ignores_linkdown(family, &up0).unwrap());
            settings.set_ignores_linkdown(family, &up0, true).unwrap();
            assert!(settings.ignores_linkdown(family, &up0).unwrap());
            assert!(!settings.ignores_linkdown(family, &Scope::Default).unwrap());
        }
        // Another namespace has its own.
        in_namespace(|| {
            let settings = Settings::default();
            assert!(!settings.ignores_linkdown(Family::V4, &Scope::All).unwrap());
            let up0 = Scope::Link("up0".parse().unwrap());
            assert!(!settings.ignores_linkdown(Family::V4, &up0).unwrap());
        });
        let gone = Scope::Link("gone0".parse().unwrap());
        let error = settings.reverse_path(&gone).unwrap_err().to_string();
        assert!(error.starts_with("/proc/sys/net/ipv4/conf/gone0/rp_filter: "), "{error}");
    });
}
