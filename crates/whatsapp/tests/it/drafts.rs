use serde_json::{Value, json};
use whatsapp::error_codes::Locale;
use whatsapp::template::{Composition, Draft, Step, Variables};

fn check(category: &str, components: &Value, has_sample: bool) -> Vec<(Step, String, String)> {
    let composition = Composition::read(components);
    let draft = Draft {
        name: "order_ready",
        language: "id",
        category,
        composition: &composition,
        has_sample,
    };
    let as_tuple = |problem: whatsapp::template::DraftProblem| {
        assert_ne!(
            problem.fault.explain(Locale::English),
            problem.fault.explain(Locale::Indonesian)
        );
        (
            problem.step,
            problem.field,
            problem.fault.explain(Locale::English),
        )
    };
    draft.problems().into_iter().map(as_tuple).collect()
}

/// The fields that have problems.
fn fields(components: &Value) -> Vec<String> {
    check("UTILITY", components, false)
        .into_iter()
        .map(|(_, field, _)| field)
        .collect()
}

fn body(text: &str, examples: &[&str]) -> Value {
    json!({"type": "BODY", "text": text, "example": {"body_text": [examples]}})
}

fn plain() -> Value {
    json!({"type": "BODY", "text": "Pesanan Anda sudah siap."})
}

fn everything() -> Value {
    json!([
        {"type": "HEADER", "format": "TEXT", "text": "Pesanan {{1}}", "example": {"header_text": ["KS-7"]}},
        body("Halo *{{1}}*, pesanan {{2}} sudah siap diambil di _toko_.", &["Rina", "kopi"]),
        {"type": "FOOTER", "text": "Kopi Senja"},
        {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "Terima kasih"},
            {"type": "QUICK_REPLY", "text": "Batal"},
            {"type": "URL", "text": "Lacak", "url": "https://kopi.test/{{1}}", "example": ["https://kopi.test/7"]},
            {"type": "PHONE_NUMBER", "text": "Telepon", "phone_number": "+6281234567890"},
            {"type": "COPY_CODE", "example": "KOPI20"},
        ]},
    ])
}

#[test]
fn reading_and_writing_a_template_changes_nothing() {
    assert_eq!(check("MARKETING", &everything(), false), []);
    assert_eq!(
        Composition::read(&everything()).components(false, None),
        everything()
    );
    let named = json!([
        {"type": "HEADER", "format": "TEXT", "text": "Hi {{name}}", "example":
            {"header_text_named_params": [{"param_name": "name", "example": "Rina"}]}},
        {"type": "BODY", "text": "Your order {{order_id}} is ready now.", "example":
            {"body_text_named_params": [{"param_name": "order_id", "example": "7"}]}},
    ]);
    assert_eq!(check("UTILITY", &named, false), []);
    assert_eq!(Composition::read(&named).components(false, None), named);
}

#[test]
fn every_step_reports_its_fields() {
    let wrong = json!([
        {"type": "HEADER", "format": "TEXT", "text": format!("{{{{1}}}} {{{{2}}}} {}", "x".repeat(60))},
        body("{{1}} {{2}}", &["Rina", ""]),
        {"type": "FOOTER", "text": "{{1}}"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "", "url": "kopi.test"}]},
        {"type": "CAROUSEL", "cards": []},
    ]);
    let composition = Composition::read(&wrong);
    let draft = Draft {
        name: "Order Ready",
        language: "english",
        category: "SPAM",
        composition: &composition,
        has_sample: false,
    };
    let of = |step: Step| -> Vec<String> {
        let problems = draft.problems_of(step).into_iter();
        problems.map(|problem| problem.field).collect()
    };
    assert_eq!(of(Step::Basics), ["name", "language", "category"]);
    assert_eq!(of(Step::Header), ["header.text", "header.text"]);
    assert_eq!(of(Step::Body), ["content", "content", "content", "footer"]);
    assert_eq!(of(Step::Buttons), ["buttons[0].text", "buttons[0].url"]);
    assert_eq!(of(Step::Examples), ["header.example", "variables.2"]);
    let all = of(Step::Review);
    assert_eq!(all.len(), 3 + 2 + 4 + 2 + 2 + 1);
    assert_eq!(all.last().map(String::as_str), Some("components"));
}

#[test]
fn lengths_are_limited() {
    let of = |header: usize, text: usize, footer: usize| {
        fields(&json!([
            {"type": "HEADER", "format": "TEXT", "text": "é".repeat(header)},
            {"type": "BODY", "text": "é".repeat(text)},
            {"type": "FOOTER", "text": "é".repeat(footer)},
        ]))
    };
    assert_eq!(of(60, 1024, 60), Vec::<String>::new());
    assert_eq!(of(61, 1025, 61), ["header.text", "content", "footer"]);
}

#[test]
fn a_file_header_needs_a_sample_and_a_location_header_does_not() {
    let with = |format: &str| json!([{"type": "HEADER", "format": format}, plain()]);
    for format in ["IMAGE", "VIDEO", "GIF", "DOCUMENT"] {
        assert_eq!(fields(&with(format)), ["header.sample_path"], "{format}");
        assert_eq!(check("UTILITY", &with(format), true), []);
        let sent = Composition::read(&with(format)).components(false, Some("4::h"));
        assert_eq!(sent[0]["example"]["header_handle"], json!(["4::h"]));
    }
    assert_eq!(fields(&with("LOCATION")), Vec::<String>::new());
    // Components that Meta returns cannot be submitted again: the sample is an address.
    let shown = json!([{"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["https://x.test/a"]}}, plain()]);
    assert!(
        Composition::read(&shown).components(false, None)[0]
            .get("example")
            .is_none()
    );
}

#[test]
fn button_kinds_counts_and_order_are_checked() {
    let with = |buttons: Value| fields(&json!([plain(), {"type": "BUTTONS", "buttons": buttons}]));
    let quick = json!({"type": "QUICK_REPLY", "text": "Ya"});
    let url = json!({"type": "URL", "text": "Buka", "url": "https://kopi.test/"});
    let call = json!({"type": "PHONE_NUMBER", "text": "Telepon", "phone_number": "+6281234567890"});
    let none: [&str; 0] = [];
    assert_eq!(with(json!([url, url, call, quick, quick])), none);
    assert_eq!(with(json!([quick, url, quick])), ["buttons"]);
    assert_eq!(with(json!([url, url, url])), ["buttons[2].type"]);
    assert_eq!(with(json!([call, call])), ["buttons[1].type"]);
    assert_eq!(with(Value::Array(vec![quick.clone(); 10])), none);
    assert_eq!(
        with(Value::Array(vec![quick.clone(); 11])),
        ["buttons", "buttons[10].type"]
    );
    let label = |text: &str| with(json!([{"type": "QUICK_REPLY", "text": text}]));
    assert_eq!(label(&"x".repeat(25)), none);
    for wrong in ["", " ", "a\nb", "{{1}}", "xxxxxxxxxxxxxxxxxxxxxxxxxx"] {
        assert_eq!(label(wrong), ["buttons[0].text"], "{wrong:?}");
    }
    assert_eq!(with(json!([{"type": "DANCE", "text": "x"}])), ["buttons[0].type"]);
    assert_eq!(
        with(json!([{"type": "COPY_CODE", "example": "x".repeat(21)}])),
        ["buttons[0].example"]
    );
}

#[test]
fn button_addresses_and_phone_numbers_are_checked() {
    let url = |url: &str| {
        fields(
            &json!([plain(), {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x", "url": url, "example": ["x"]}]}]),
        )
    };
    for good in [
        "https://kopi.test",
        "http://kopi.test/a?b=c",
        "https://kopi.test/{{1}}",
        "https://kopi.test/?q={{1}}",
    ] {
        assert_eq!(url(good), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "",
        "kopi.test",
        "ftp://kopi.test",
        "https://",
        "https:///a",
        "https://kopi.test/a b",
        "https://{{1}}",
        "https://kopi.test/{{1}}/a",
        "https://kopi.test/{{1}}{{2}}",
        "https://kopi.test/{{2}}",
        "javascript:alert(1)",
    ] {
        assert_eq!(url(bad), ["buttons[0].url"], "{bad}");
    }
    let phone = |number: &str| {
        fields(
            &json!([plain(), {"type": "BUTTONS", "buttons": [{"type": "PHONE_NUMBER", "text": "x", "phone_number": number}]}]),
        )
    };
    assert_eq!(phone("+6281234567890"), Vec::<String>::new());
    for bad in ["", "081234567890", "+62812ABC", "123", "+628123456789012345678"] {
        assert_eq!(phone(bad), ["buttons[0].phone_number"], "{bad}");
    }
}

#[test]
fn authentication_templates_have_one_button_and_no_text() {
    let otp = |button: Value| json!([{"type": "BODY", "add_security_recommendation": true}, {"type": "BUTTONS", "buttons": [button]}]);
    let of = |components: &Value| -> Vec<String> {
        check("AUTHENTICATION", components, false)
            .into_iter()
            .map(|(_, field, _)| field)
            .collect()
    };
    let copy = otp(json!({"type": "OTP", "otp_type": "COPY_CODE", "text": "Salin"}));
    assert_eq!(of(&copy), Vec::<String>::new());
    assert_eq!(Composition::read(&copy).components(true, None), copy);
    let app = json!([{"package_name": "id.kopi", "signature_hash": "K8a/AINcGX7"}]);
    let tap = otp(json!({"type": "OTP", "otp_type": "ONE_TAP", "supported_apps": app}));
    assert_eq!(of(&tap), Vec::<String>::new());
    for (button, field) in [
        (
            json!({"type": "OTP", "otp_type": "ONE_TAP"}),
            "buttons[0].supported_apps",
        ),
        (json!({"type": "OTP", "otp_type": "MAGIC"}), "buttons[0].otp_type"),
        (json!({"type": "QUICK_REPLY", "text": "Ya"}), "buttons"),
    ] {
        assert_eq!(of(&otp(button)), [field]);
    }
    let mut footer = copy.clone();
    footer
        .as_array_mut()
        .unwrap()
        .insert(1, json!({"type": "FOOTER", "code_expiration_minutes": 91}));
    assert_eq!(of(&footer), ["code_expiration_minutes"]);
    // The components that Meta returns for an authentication template can be submitted again.
    let shown = json!([{"type": "BODY", "text": "*{{1}}* adalah kode Anda.", "add_security_recommendation": true},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Salin", "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}", "example": ["x"]}]}]);
    assert_eq!(of(&shown), Vec::<String>::new());
    assert_eq!(
        Composition::read(&shown).components(true, None)[1]["buttons"][0]["otp_type"],
        "COPY_CODE"
    );
}

fn preview(category: &str, language: &str, components: &Value, values: &Value) -> Value {
    let composition = Composition::read(components);
    let draft = Draft {
        name: "x",
        language,
        category,
        composition: &composition,
        has_sample: false,
    };
    let values: Variables = serde_json::from_value(values.clone()).unwrap();
    serde_json::to_value(draft.preview(&values)).unwrap()
}

#[test]
fn a_preview_shows_the_filled_template() {
    let shown = preview(
        "UTILITY",
        "id",
        &everything(),
        &json!(["A-1", "Ana", "teh", "9", "TEH5"]),
    );
    insta::assert_json_snapshot!("preview_with_values", shown);
    let shown = preview("UTILITY", "id", &everything(), &json!({"2": "teh"}));
    assert_eq!(shown["header"], json!({"format": "TEXT", "text": "Pesanan KS-7"}));
    assert_eq!(
        shown["body"]["text"],
        "Halo *Rina*, pesanan teh sudah siap diambil di _toko_."
    );
    assert_eq!(shown["buttons"][2]["url"], "https://kopi.test/7");
    assert_eq!(shown["missing"], json!([]));
}

#[test]
fn a_preview_shows_an_incomplete_template() {
    let half = json!([{"type": "HEADER", "format": "DOCUMENT"}, {"type": "BODY", "text": "Halo {{1}} dan {{nama}}"}]);
    let shown = preview("UTILITY", "id", &half, &json!({}));
    assert_eq!(shown["header"], json!({"format": "DOCUMENT"}));
    assert_eq!(shown["body"]["text"], "Halo {{1}} dan {{nama}}");
    assert_eq!(shown["missing"], json!(["1", "nama"]));
    let nothing = preview("UTILITY", "id", &json!([]), &json!([]));
    assert_eq!(
        (&nothing["body"]["text"], &nothing["footer"]),
        (&json!(""), &json!(null))
    );
}

#[test]
fn a_preview_of_an_authentication_template_has_metas_text() {
    let components = json!([{"type": "BODY", "add_security_recommendation": true}, {"type": "FOOTER", "code_expiration_minutes": 5},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]);
    let shown = preview("AUTHENTICATION", "id", &components, &json!(["481516"]));
    assert_eq!(
        shown["body"]["text"],
        "*481516* adalah kode verifikasi Anda. Demi keamanan, jangan bagikan kode ini."
    );
    assert_eq!(shown["footer"]["text"], "Kode ini kedaluwarsa dalam 5 menit.");
    assert_eq!(
        shown["buttons"][0],
        json!({"type": "OTP", "text": "Salin kode", "code": "481516"})
    );
    let shown = preview("AUTHENTICATION", "en_US", &components, &json!([]));
    assert!(
        shown["body"]["text"]
            .as_str()
            .unwrap()
            .contains("is your verification code")
    );
}
