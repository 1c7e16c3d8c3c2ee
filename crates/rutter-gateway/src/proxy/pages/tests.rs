use super::*;

#[test]
fn the_form_is_the_one_that_accept_names_with_the_highest_weight() {
    use Form::{Html, Json, Text};
    let cases = [
        (None, Json),
        (Some(""), Json),
        (Some("*/*"), Json),
        (Some("image/png"), Json),
        (Some("text/plain"), Text),
        (Some("text/plain; charset=utf-8"), Text),
        (Some("Text/Plain"), Text),
        (Some("text/*"), Text),
        (Some("text/plain;q=0, text/*"), Json),
        (Some("text/plain, */*"), Text),
        (Some("text/plain;q=0.5, text/html;q=0.4, */*"), Text),
        (Some("text/plain;q=0"), Json),
        (Some("text/plain;q=2"), Json),
        (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Html),
        (Some("text/html, text/plain, text/css, */*;q=0.01"), Html),
        (Some("text/html;q=0.5, text/plain"), Text),
        (Some("text/html;q=0.5,application/json"), Json),
        (Some("text/html,application/json"), Json),
        (Some("application/json, text/plain, */*"), Json),
        (Some("application/json;q=0.1, text/plain;q=0.2"), Text),
        (Some("application/json;q=0"), Json),
    ];
    for (accept, form) in cases {
        let accept = accept.map(HeaderValue::from_static);
        assert_eq!(Form::preferred(accept.as_ref()), form, "{accept:?}");
    }
}
