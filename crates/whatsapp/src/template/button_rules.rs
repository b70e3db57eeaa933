//! Meta's rules for the buttons of a template.

use super::composition::Button;
use super::definition::length;
use super::draft::Findings;
use super::draft_problem::Fault;
use super::limits::LIMITS;
use super::placeholder::{names, split};
use super::text_rules::{is_one_line, text_faults};

/// Button kinds that only Meta can check, because they depend on products or forms that Meta holds.
const CHECKED_BY_META: [&str; 6] = [
    "FLOW",
    "CATALOG",
    "MPM",
    "SPM",
    "VOICE_CALL",
    "REQUEST_CONTACT_INFO",
];

pub(super) fn check(buttons: &[Button], is_authentication: bool, found: &mut Findings) {
    if is_authentication {
        match buttons {
            [button] if button.kind == "OTP" => check_otp(button, found),
            _ => found.report("buttons", Fault::OneOtpButton),
        }
        return;
    }
    if buttons.len() > LIMITS.buttons {
        found.report("buttons", Fault::TooMany(LIMITS.buttons));
    }
    for (kind, most) in [
        ("QUICK_REPLY", LIMITS.quick_replies),
        ("URL", LIMITS.url_buttons),
        ("PHONE_NUMBER", LIMITS.phone_number_buttons),
        ("COPY_CODE", LIMITS.copy_code_buttons),
    ] {
        let of_kind = |(at, button): (usize, &Button)| (button.kind == kind).then_some(at);
        if let Some(extra) = buttons.iter().enumerate().filter_map(of_kind).nth(most) {
            found.report(format!("buttons[{extra}].type"), Fault::TooMany(most));
        }
    }
    let groups =
        buttons.chunk_by(|left, right| (left.kind == "QUICK_REPLY") == (right.kind == "QUICK_REPLY"));
    if groups.count() > 2 {
        found.report("buttons", Fault::QuickRepliesNotGrouped);
    }
    for (at, button) in buttons.iter().enumerate() {
        check_button(at, button, found);
    }
}

fn check_button(at: usize, button: &Button, found: &mut Findings) {
    let field = |name: &str| format!("buttons[{at}].{name}");
    let known = ["QUICK_REPLY", "URL", "PHONE_NUMBER", "COPY_CODE"].contains(&button.kind.as_str());
    if !known && !CHECKED_BY_META.contains(&button.kind.as_str()) {
        found.report(field("type"), Fault::ButtonKind);
        return;
    }
    // WhatsApp writes the label of a button that copies a code.
    if button.kind == "COPY_CODE" {
        if length(&button.example) > LIMITS.copy_code {
            found.report(field("example"), Fault::TooLong(LIMITS.copy_code));
        }
    } else {
        for fault in text_faults(&button.text, LIMITS.button_text, true) {
            found.report(field("text"), fault);
        }
        if !names(&split(&button.text)).is_empty() {
            found.report(field("text"), Fault::NoVariables);
        }
    }
    match button.kind.as_str() {
        "URL" => {
            if let Some(fault) = url_fault(&button.url) {
                found.report(field("url"), fault);
            }
        }
        "PHONE_NUMBER" => {
            if let Some(fault) = phone_fault(&button.phone_number) {
                found.report(field("phone_number"), fault);
            }
        }
        _ => {}
    }
}

fn url_fault(url: &str) -> Option<Fault> {
    if url.is_empty() {
        return Some(Fault::Required);
    }
    if length(url) > LIMITS.url {
        return Some(Fault::TooLong(LIMITS.url));
    }
    let Some(host) = url.strip_prefix("https://").or(url.strip_prefix("http://")) else {
        return Some(Fault::Url);
    };
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains("{{") || url.contains(char::is_whitespace) {
        return Some(Fault::Url);
    }
    let variables = names(&split(url));
    let fits = match variables.as_slice() {
        [] => true,
        [only] => only == "1" && url.ends_with("}}") && url.matches("{{").count() == 1,
        _ => false,
    };
    (!fits).then_some(Fault::UrlVariable)
}

fn phone_fault(number: &str) -> Option<Fault> {
    if number.is_empty() {
        return Some(Fault::Required);
    }
    if length(number) > LIMITS.phone_number {
        return Some(Fault::TooLong(LIMITS.phone_number));
    }
    let digits = number.strip_prefix('+').unwrap_or(number);
    let fits =
        digits.len() >= 5 && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    (!fits).then_some(Fault::Phone)
}

fn check_otp(button: &Button, found: &mut Findings) {
    let text = |name: &str| button.others.get(name).and_then(|value| value.as_str());
    let kind = button.otp_type().to_ascii_uppercase();
    if !["COPY_CODE", "ONE_TAP", "ZERO_TAP"].contains(&kind.as_str()) {
        found.report("buttons[0].otp_type", Fault::OtpType);
        return;
    }
    if length(&button.text) > LIMITS.button_text {
        found.report("buttons[0].text", Fault::TooLong(LIMITS.button_text));
    }
    if !is_one_line(&button.text) {
        found.report("buttons[0].text", Fault::LineBreak);
    }
    if kind == "COPY_CODE" {
        return;
    }
    let filled = |app: &serde_json::Value| {
        ["package_name", "signature_hash"]
            .iter()
            .all(|name| app[*name].as_str().is_some_and(|text| !text.is_empty()))
    };
    let apps = button
        .others
        .get("supported_apps")
        .and_then(|apps| apps.as_array());
    // In the older form the button itself names a single app.
    let single = text("package_name").is_some() && text("signature_hash").is_some();
    if !single && !apps.is_some_and(|apps| !apps.is_empty() && apps.iter().all(filled)) {
        found.report("buttons[0].supported_apps", Fault::SupportedApps);
    }
}
