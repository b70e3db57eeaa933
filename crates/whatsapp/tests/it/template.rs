use std::collections::BTreeMap;

use insta::assert_json_snapshot;
use serde_json::{Value, json};
use whatsapp::template::{ProblemReason, TemplateDefinition, Variables};

fn definition(components: &Value) -> TemplateDefinition {
    TemplateDefinition::parse(components).unwrap()
}

fn list(values: &[&str]) -> Variables {
    Variables::Positional(values.iter().map(|value| (*value).to_owned()).collect())
}

fn map(values: &[(&str, &str)]) -> Variables {
    Variables::Named(
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    )
}

fn problems(components: &Value, variables: &Variables) -> Vec<(String, ProblemReason)> {
    let problems = definition(components).check(variables).err().unwrap_or_default();
    problems
        .into_iter()
        .map(|problem| (problem.variable, problem.reason))
        .collect()
}

fn body(text: &str) -> Value {
    json!([{"type": "BODY", "text": text}])
}

fn everything() -> Value {
    json!([
        {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}", "example": {"header_text": ["A-17"]}},
        {"type": "BODY", "text": "Hi {{1}}, your order of {{2}} is ready.",
            "example": {"body_text": [["Sari", "two cakes"]]}},
        {"type": "FOOTER", "text": "Toko Contoh"},
        {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "Thanks"},
            {"type": "URL", "text": "Follow", "url": "https://example.com/o/{{1}}",
                "example": ["https://example.com/o/17"]},
            {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+6281100000"},
            {"type": "COPY_CODE", "text": "Copy", "example": "HEMAT10"},
        ]},
    ])
}

#[test]
fn a_full_template_is_filled_by_position_or_by_name() {
    let definition = definition(&everything());
    assert_json_snapshot!("everything_variables", definition.variables());

    let listed = list(&["A-18", "Budi", "tea", "18", "HEMAT20"]);
    let named = map(&[
        ("header_1", "A-18"),
        ("1", "Budi"),
        ("2", "tea"),
        ("button_1", "18"),
        ("button_3", "HEMAT20"),
    ]);
    assert_eq!(definition.check(&listed), Ok(()));
    assert_eq!(definition.check(&named), Ok(()));
    assert_eq!(definition.components(&listed), definition.components(&named));
    assert_json_snapshot!("everything_components", definition.components(&listed));
    assert_eq!(
        definition.render_body(&listed),
        "Hi Budi, your order of tea is ready."
    );
}

#[test]
fn named_placeholders_are_sent_with_their_names() {
    let components = json!([
        {"type": "header", "format": "TEXT", "text": "For {{city}}",
            "example": {"header_text_named_params": [{"param_name": "city", "example": "Bandung"}]}},
        {"type": "body", "text": "Hi {{first_name}}, {{city}} is open again.", "example": {"body_text_named_params": [
            {"param_name": "first_name", "example": "Sari"}, {"param_name": "city", "example": "Bandung"}]}},
    ]);
    let definition = definition(&components);
    assert_json_snapshot!("named_variables", definition.variables());
    let variables = map(&[("city", "Medan"), ("first_name", "Budi")]);
    assert_eq!(definition.check(&variables), Ok(()));
    let surplus = map(&[("city", "Medan"), ("first_name", "Budi"), ("never asked", "for")]);
    let problems = definition.check(&surplus).unwrap_err();
    assert_eq!(
        (problems.len(), problems[0].variable.as_str()),
        (1, "never asked")
    );
    assert_json_snapshot!("named_components", definition.components(&variables));
    assert_eq!(
        definition.render_body(&variables),
        "Hi Budi, Medan is open again."
    );
}

#[test]
fn headers_take_files_and_locations() {
    for (format, kind) in [
        ("IMAGE", "image"),
        ("VIDEO", "video"),
        ("DOCUMENT", "document"),
        ("GIF", "gif"),
    ] {
        let components = json!([{"type": "HEADER", "format": format}, {"type": "BODY", "text": "Look"}]);
        let sent = definition(&components).components(&map(&[("header", "https://example.com/a")]));
        assert_eq!(
            sent[0]["parameters"][0],
            json!({"type": kind, kind: {"link": "https://example.com/a"}})
        );
        let sent = definition(&components).components(&list(&["123456"]));
        assert_eq!(
            sent[0]["parameters"][0],
            json!({"type": kind, kind: {"id": "123456"}})
        );
        for no_file in ["http://example.com/a", "a.jpg", "javascript:alert(1)"] {
            let found = problems(&components, &list(&[no_file]));
            assert_eq!(
                found,
                [("header".to_owned(), ProblemReason::NotAFile)],
                "{no_file}"
            );
        }
    }

    let components = json!([{"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": "Here"}]);
    let sent = definition(&components).components(&list(&["-6.2, 106.8; Toko; Jl. A; No. 1"]));
    let place = json!({"latitude": -6.2, "longitude": 106.8, "name": "Toko", "address": "Jl. A; No. 1"});
    assert_eq!(
        sent,
        json!([{"type": "header", "parameters": [{"type": "location", "location": place}]}])
    );
    for no_place in [
        "here",
        "-6.2, 106.8",
        "95, 10; a; b",
        "1, 181; a; b",
        "x, y; a; b",
        "1, 2;; b",
    ] {
        let found = problems(&components, &list(&[no_place]));
        assert_eq!(
            found,
            [("header".to_owned(), ProblemReason::NotAPlace)],
            "{no_place}"
        );
    }
}

#[test]
fn an_authentication_code_fills_body_and_button() {
    let as_returned = json!([
        {"type": "BODY", "text": "*{{1}}* is your code.", "add_security_recommendation": true},
        {"type": "FOOTER", "text": "Expires in 5 minutes."},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Copy code",
            "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"}]},
    ]);
    let as_submitted = json!([
        {"type": "BODY", "add_security_recommendation": true},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]},
    ]);
    for components in [as_returned, as_submitted] {
        let definition = definition(&components);
        assert_eq!(definition.variables().len(), 1);
        let text = json!([{"type": "text", "text": "482910"}]);
        assert_eq!(
            definition.components(&list(&["482910"])),
            json!([
                {"type": "body", "parameters": text},
                {"type": "button", "sub_type": "url", "index": "0", "parameters": text},
            ])
        );
        let found = problems(&components, &list(&["1234567890123456"]));
        assert_eq!(found, [("1".to_owned(), ProblemReason::TooLong(15))]);
    }
}

#[test]
fn a_template_without_variables_sends_no_components() {
    let components = json!([
        {"type": "HEADER", "format": "TEXT", "text": "News"},
        {"type": "BODY", "text": "We are open."},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Go", "url": "https://example.com"}]},
    ]);
    let definition = definition(&components);
    assert!(definition.variables().is_empty());
    assert_eq!(definition.check(&Variables::default()), Ok(()));
    assert_eq!(definition.components(&Variables::default()), json!([]));
    assert_eq!(
        problems(&components, &list(&["x"])),
        [("1".to_owned(), ProblemReason::Unexpected)]
    );
}

#[test]
fn values_that_meta_would_refuse_are_found() {
    let two = body("Hi {{1}} and {{2}}.");
    let table = [
        (list(&["a", "b"]), vec![]),
        (list(&["a"]), vec![("2", ProblemReason::Missing)]),
        (
            list(&[]),
            vec![("1", ProblemReason::Missing), ("2", ProblemReason::Missing)],
        ),
        (list(&["a", "b", "c"]), vec![("3", ProblemReason::Unexpected)]),
        (
            list(&["", "  "]),
            vec![("1", ProblemReason::Empty), ("2", ProblemReason::Empty)],
        ),
        (
            list(&["a\nb", "a\tb"]),
            vec![("1", ProblemReason::Whitespace), ("2", ProblemReason::Whitespace)],
        ),
        (
            list(&["a    b", "a     b"]),
            vec![("2", ProblemReason::Whitespace)],
        ),
        (map(&[("2", "b")]), vec![("1", ProblemReason::Missing)]),
    ];
    for (variables, expected) in table {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, reason)| (name.to_owned(), reason))
            .collect();
        assert_eq!(problems(&two, &variables), expected, "{variables:?}");
    }
}

#[test]
fn filled_texts_are_limited_in_characters() {
    let one = body("{{1}}!");
    assert_eq!(problems(&one, &list(&["\u{e9}".repeat(1023).as_str()])), []);
    let too_long = problems(&one, &list(&["\u{e9}".repeat(1024).as_str()]));
    assert_eq!(too_long, [("body".to_owned(), ProblemReason::TooLong(1024))]);

    let header =
        json!([{"type": "HEADER", "format": "TEXT", "text": "{{1}}!"}, {"type": "BODY", "text": "x"}]);
    assert_eq!(problems(&header, &list(&["a".repeat(59).as_str()])), []);
    let too_long = problems(&header, &list(&["a".repeat(60).as_str()]));
    assert_eq!(too_long, [("header".to_owned(), ProblemReason::TooLong(60))]);

    let coupon = json!([{"type": "BODY", "text": "x"},
        {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "example": "A"}]}]);
    assert_eq!(problems(&coupon, &list(&["A".repeat(20).as_str()])), []);
    let too_long = problems(&coupon, &list(&["A".repeat(21).as_str()]));
    assert_eq!(too_long, [("button_0".to_owned(), ProblemReason::TooLong(20))]);
}

#[test]
fn unsupported_parts_are_reported() {
    let carousel = json!([{"type": "BODY", "text": "x"}, {"type": "CAROUSEL", "cards": []}]);
    assert_eq!(
        problems(&carousel, &list(&[])),
        [("carousel".to_owned(), ProblemReason::Unsupported)]
    );
    let products = json!([{"type": "BODY", "text": "x"}, {"type": "BUTTONS", "buttons": [{"type": "MPM"}]}]);
    assert_eq!(
        problems(&products, &list(&[])),
        [("button_0".to_owned(), ProblemReason::Unsupported)]
    );
}

#[test]
fn invalid_components_are_refused() {
    for components in [
        json!(null),
        json!({}),
        json!([]),
        json!([{"type": "BODY"}]),
        json!(["BODY"]),
    ] {
        assert!(TemplateDefinition::parse(&components).is_err(), "{components}");
    }
}

#[test]
fn variables_are_read_from_lists_and_maps_of_simple_values() {
    let read = |value: Value| serde_json::from_value::<Variables>(value).ok();
    assert_eq!(
        read(json!(["a", 1, true, null])),
        Some(list(&["a", "1", "true", ""]))
    );
    assert_eq!(read(json!({"a": 1.5, "b": null})), Some(map(&[("a", "1.5")])));
    assert_eq!(read(json!(null)), Some(Variables::default()));
    assert_eq!(read(json!({})), Some(Variables::Named(BTreeMap::new())));
    for other in [json!("a"), json!(1), json!([["a"]]), json!({"a": {}})] {
        assert_eq!(read(other.clone()), None, "{other}");
    }
}

#[test]
fn a_button_that_opens_a_flow_is_sent_with_its_component() {
    let definition = definition(&json!([
        {"type": "BODY", "text": "Isi formulir"},
        {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "Nanti"}, {"type": "FLOW", "text": "Isi", "flow_id": "1"},
        ]},
    ]));
    assert_eq!(definition.variables(), []);
    assert_eq!(definition.check(&map(&[])), Ok(()));
    assert_eq!(
        definition.components(&map(&[])),
        json!([{"type": "button", "sub_type": "flow", "index": "1", "parameters": [
            {"type": "action", "action": {"flow_token": "unused"}},
        ]}])
    );
}

#[test]
fn a_document_has_the_name_that_is_given_or_that_ends_its_address() {
    let definition = definition(&json!([
        {"type": "HEADER", "format": "DOCUMENT"}, {"type": "BODY", "text": "Tagihan Anda"},
    ]));
    let address = "https://files.test/2026/tagihan.pdf?key=1";
    for (values, name) in [
        (map(&[("header", address)]), json!("tagihan.pdf")),
        (
            map(&[("header", address), ("header_filename", "Tagihan Mei.pdf")]),
            json!("Tagihan Mei.pdf"),
        ),
        (map(&[("header", "123")]), json!(null)),
    ] {
        assert_eq!(definition.check(&values), Ok(()));
        assert_eq!(
            definition.components(&values)[0]["parameters"][0]["document"]["filename"],
            name
        );
    }
}
