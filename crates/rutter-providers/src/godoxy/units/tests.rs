use proptest::prelude::*;

use super::*;

#[test]
fn durations_are_gos_and_have_days_weeks_and_months() {
    let cases = [
        ("5s", 5_000),
        ("1h30m", 5_400_000),
        ("1.5s", 1_500),
        (".5m", 30_000),
        ("250ms", 250),
        ("1000us", 1),
        ("1000µs", 1),
        ("1000000ns", 1),
        ("1d", 86_400_000),
        ("1w", 7 * 86_400_000),
        ("1M", 30 * 86_400_000),
        ("1d12h", 129_600_000),
        ("0", 0),
        ("0s", 0),
        (" 3m ", 180_000),
    ];
    for (text, millis) in cases {
        assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis), "{text}");
    }
}

#[test]
fn a_bare_number_is_no_duration_since_the_original_takes_it_for_nanoseconds() {
    let error = parse_duration("5").unwrap_err();
    let said = "`5` is not a valid duration: a unit behind the number, such as `5s`";
    assert_eq!(error.to_string(), said);
    for text in ["", "s", "-5s", "5x", "5 s", "1.2.3s", ".s", "1e3s", "300y", "99999999999d", "5s5"]
    {
        parse_duration(text).unwrap_err();
    }
}

#[test]
fn sizes_and_retentions() {
    let cases = [
        ("30 days", Retention::Days(30)),
        ("1 day", Retention::Days(1)),
        ("2 weeks", Retention::Days(14)),
        ("3 months", Retention::Days(90)),
        ("last 100", Retention::Last(100)),
        ("512 KB", Retention::Size(Size(512 << 10))),
        ("10MB", Retention::Size(Size(10 << 20))),
        ("1 gb", Retention::Size(Size(1 << 30))),
    ];
    for (text, want) in cases {
        assert_eq!(text.parse(), Ok(want), "{text}");
    }
    for text in ["", "30", "days", "last", "last x", "-1 days", "10 TB", "9999999999999 GB"] {
        text.parse::<Retention>().unwrap_err();
    }
}

proptest! {
    #[test]
    fn durations_round_trip(nanos in 0..=LONGEST) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
    }

    #[test]
    fn sizes_and_retentions_round_trip(n in 0u32..1 << 20, kind in 0..3) {
        let retention = match kind {
            0 => Retention::Days(n),
            1 => Retention::Last(n),
            _ => Retention::Size(Size(u64::from(n) << 10)),
        };
        prop_assert_eq!(retention.to_string().parse(), Ok(retention));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-0-9a-zµM. ]{0,24}") {
        if let Ok(duration) = parse_duration(&text) {
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
        let _ = text.parse::<Retention>();
    }
}
