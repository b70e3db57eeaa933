//! Meta's checks of the values in a template message.

use serde_json::Value;

use super::graph_error::GraphError;
use super::template::{Template, is_kind, variables};

const BODY_LIMIT: usize = 1_024;
const HEADER_LIMIT: usize = 60;
const CODE_LIMIT: usize = 20;

/// Checks the `components` of a template message against the template.
pub(crate) fn check(template: &Template, components: &Value) -> Result<(), GraphError> {
    let components = match components {
        Value::Null => &[],
        Value::Array(components) => components.as_slice(),
        _ => {
            return Err(GraphError::invalid_parameter(
                "Param template['components'] must be an array.",
            ));
        }
    };
    for component in components {
        if !["header", "body", "button", "limited_time_offer", "carousel"]
            .iter()
            .any(|kind| is_kind(component, kind))
        {
            return Err(GraphError::invalid_parameter(
                "Param template['components'][]['type'] must be one of {HEADER, BODY, BUTTON, LIMITED_TIME_OFFER, CAROUSEL}",
            ));
        }
    }
    for kind in ["CAROUSEL", "LIMITED_TIME_OFFER"] {
        let given = components.iter().any(|component| is_kind(component, kind));
        if template.component(kind).is_some() && !given {
            let details = format!("The template needs a component of type {kind}");
            return Err(GraphError::with_details(131_009, details));
        }
    }
    check_header(template, components)?;
    check_body(template, components)?;
    check_buttons(template, components)
}

fn parameters<'a>(components: &'a [Value], kind: &str) -> &'a [Value] {
    let component = components.iter().find(|component| is_kind(component, kind));
    component
        .and_then(|component| component["parameters"].as_array())
        .map_or(&[], Vec::as_slice)
}

fn check_header(template: &Template, components: &[Value]) -> Result<(), GraphError> {
    let given = parameters(components, "header");
    let Some(header) = template.component("HEADER") else {
        return count("header", given.len(), 0);
    };
    let format = header["format"].as_str().unwrap_or("TEXT").to_ascii_lowercase();
    if format == "text" {
        return check_text(
            "header",
            header["text"].as_str().unwrap_or_default(),
            template,
            given,
            HEADER_LIMIT,
        );
    }
    let received = given
        .first()
        .and_then(|parameter| parameter["type"].as_str())
        .unwrap_or("unknown");
    if given.len() != 1 || !received.eq_ignore_ascii_case(&format) {
        let details = format!(
            "header: Format mismatch, expected {}, received {}",
            format.to_ascii_uppercase(),
            received.to_ascii_uppercase()
        );
        return Err(GraphError::with_details(132_012, details));
    }
    let object = &given[0][&format];
    let filled = match format.as_str() {
        "location" => object["latitude"].is_string() || object["latitude"].is_number(),
        _ => object["id"].is_string() != object["link"].is_string(),
    };
    if !filled {
        let details = format!("header: the {format} parameter needs exactly one of id and link");
        return Err(GraphError::with_details(131_008, details));
    }
    Ok(())
}

fn check_body(template: &Template, components: &[Value]) -> Result<(), GraphError> {
    let given = parameters(components, "body");
    if template.is_authentication() {
        return check_text("body", "{{1}}", template, given, BODY_LIMIT);
    }
    let text = template
        .component("BODY")
        .and_then(|body| body["text"].as_str())
        .unwrap_or_default();
    check_text("body", text, template, given, BODY_LIMIT)
}

fn check_text(
    place: &str,
    text: &str,
    template: &Template,
    given: &[Value],
    limit: usize,
) -> Result<(), GraphError> {
    let expected = variables(text);
    count(place, given.len(), expected.len())?;
    let mut filled = text.to_owned();
    for (position, parameter) in given.iter().enumerate() {
        let value = value_of(place, parameter)?;
        let name = if template.is_named() {
            let Some(name) = parameter["parameter_name"]
                .as_str()
                .filter(|name| !name.is_empty())
            else {
                let details = format!("{place}: Parameter name is missing or empty");
                return Err(GraphError::with_details(100, details));
            };
            if !expected.contains(&name) {
                let details = format!("{place}: Parameter name '{name}' is not in the template");
                return Err(GraphError::with_details(100, details));
            }
            name
        } else {
            expected[position]
        };
        filled = filled.replace(&format!("{{{{{name}}}}}"), value);
    }
    let length = filled.chars().count();
    if length > limit {
        let details = format!("{place}: Translated text is {length} characters long, {limit} are allowed");
        return Err(GraphError::with_details(132_005, details));
    }
    Ok(())
}

fn count(place: &str, given: usize, expected: usize) -> Result<(), GraphError> {
    if given == expected {
        return Ok(());
    }
    let details = format!(
        "{place}: number of localizable_params ({given}) does not match the expected number of params ({expected})"
    );
    Err(GraphError::with_details(132_000, details))
}

fn value_of<'a>(place: &str, parameter: &'a Value) -> Result<&'a str, GraphError> {
    let value = match parameter["type"].as_str() {
        Some("text") => &parameter["text"],
        Some("currency") => &parameter["currency"]["fallback_value"],
        Some("date_time") => &parameter["date_time"]["fallback_value"],
        _ => {
            let details = format!("{place}: Parameter type must be text, currency or date_time");
            return Err(GraphError::with_details(132_012, details));
        }
    };
    let Some(text) = value.as_str().filter(|text| !text.is_empty()) else {
        return Err(GraphError::with_details(
            131_008,
            format!("{place}: Parameter of type text is missing text value"),
        ));
    };
    if text.contains(['\n', '\r', '\t']) || text.contains("     ") {
        let details = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces";
        return Err(GraphError::with_details(132_018, details));
    }
    Ok(text)
}

fn check_buttons(template: &Template, components: &[Value]) -> Result<(), GraphError> {
    let buttons = template.buttons();
    let mut given = vec![None; buttons.len()];
    for component in components.iter().filter(|component| is_kind(component, "button")) {
        let index = match &component["index"] {
            Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let Some(slot) = index.and_then(|index| given.get_mut(index)) else {
            let details = "button: index is missing or beyond the buttons of the template";
            return Err(GraphError::with_details(131_009, details));
        };
        *slot = Some(component);
    }
    for (index, (button, component)) in buttons.iter().zip(given).enumerate() {
        check_button(index, button, component)?;
    }
    Ok(())
}

fn check_button(index: usize, button: &Value, component: Option<&Value>) -> Result<(), GraphError> {
    let kind = button["type"].as_str().unwrap_or_default().to_ascii_uppercase();
    let (sub_type, parameter) = match kind.as_str() {
        "URL" if variables(button["url"].as_str().unwrap_or_default()).is_empty() => ("url", None),
        "URL" | "OTP" => ("url", Some("text")),
        "COPY_CODE" => ("copy_code", Some("coupon_code")),
        "QUICK_REPLY" => ("quick_reply", None),
        "FLOW" | "CATALOG" | "MPM" | "SPM" | "ORDER_DETAILS" if component.is_none() => {
            let details = format!("Components sub_type invalid at index: {index} and type: {kind}");
            return Err(GraphError::with_details(131_009, details));
        }
        _ => return Ok(()),
    };
    let Some(component) = component else {
        return match parameter {
            None => Ok(()),
            Some(_) => {
                let details =
                    format!("buttons: Button at index {index} of type {sub_type} requires a parameter");
                Err(GraphError::with_details(131_008, details))
            }
        };
    };
    if !component["sub_type"]
        .as_str()
        .is_some_and(|given| given.eq_ignore_ascii_case(sub_type))
    {
        let details = format!("buttons: Button at index {index} must have sub_type {sub_type}");
        return Err(GraphError::with_details(132_012, details));
    }
    let given = component["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(parameter) = parameter else {
        let expected = if sub_type == "quick_reply" { 1 } else { 0 };
        return if given.len() > expected {
            count("buttons", given.len(), expected)
        } else {
            Ok(())
        };
    };
    count("buttons", given.len(), 1)?;
    let value = given[0][parameter].as_str().unwrap_or_default();
    if value.is_empty() || !is_kind(&given[0], parameter) {
        let details = format!("buttons: Button at index {index} requires a parameter of type {parameter}");
        return Err(GraphError::with_details(131_008, details));
    }
    if kind != "URL" && value.chars().count() > CODE_LIMIT {
        let details =
            format!("buttons: Button at index {index}: the code is longer than {CODE_LIMIT} characters");
        return Err(GraphError::with_details(132_018, details));
    }
    Ok(())
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(format: &str, components: Value) -> Template {
        serde_json::from_value(json!({
            "business_account_id": "1", "name": "n", "language": "id", "category": "UTILITY",
            "parameter_format": format, "components": components,
        }))
        .unwrap()
    }

    fn refusal(template: &Template, components: Value) -> u32 {
        check(template, &components)
            .expect_err("the components are wrong")
            .code
    }

    fn text(value: &str) -> Value {
        json!({"type": "text", "text": value})
    }

    #[test]
    fn positional_parameters_must_be_as_many_as_the_variables() {
        let template = template(
            "POSITIONAL",
            json!([{"type": "BODY", "text": "Hi {{1}}, order {{2}} left."}]),
        );
        let body = |parameters: Value| json!([{"type": "body", "parameters": parameters}]);
        check(&template, &body(json!([text("Ana"), text("7")]))).unwrap();
        assert_eq!(refusal(&template, body(json!([text("Ana")]))), 132_000);
        assert_eq!(refusal(&template, Value::Null), 132_000);
        assert_eq!(
            refusal(
                &template,
                json!([{"type": "body", "parameters": [text("a"), text("b")]},
            {"type": "header", "parameters": [text("c")]}])
            ),
            132_000
        );
    }

    #[test]
    fn parts_that_need_a_component_are_refused_without_it() {
        let body = json!({"type": "BODY", "text": "Hi"});
        for kind in ["FLOW", "CATALOG", "MPM", "SPM"] {
            let buttons = json!({"type": "BUTTONS", "buttons": [{"type": kind, "text": "Open"}]});
            let template = template("POSITIONAL", json!([body, buttons]));
            assert_eq!(refusal(&template, json!([])), 131_009, "{kind}");
            let component = json!({"type": "button", "sub_type": kind, "index": "0", "parameters": [
                {"type": "action", "action": {}},
            ]});
            check(&template, &json!([component])).unwrap();
        }
        let template = template("POSITIONAL", json!([body, {"type": "CAROUSEL", "cards": []}]));
        assert_eq!(refusal(&template, json!([])), 131_009);
    }

    #[test]
    fn values_must_be_filled_short_and_on_one_line() {
        let template = template("POSITIONAL", json!([{"type": "BODY", "text": "Hi {{1}}!"}]));
        let body = |value: &str| json!([{"type": "body", "parameters": [text(value)]}]);
        assert_eq!(refusal(&template, body("")), 131_008);
        for value in ["a\nb", "a\tb", "a     b"] {
            assert_eq!(refusal(&template, body(value)), 132_018);
        }
        check(&template, &body("a    b")).unwrap();
        check(&template, &body(&"x".repeat(1_020))).unwrap();
        assert_eq!(refusal(&template, body(&"x".repeat(1_021))), 132_005);
    }

    #[test]
    fn named_parameters_need_their_names() {
        let template = template("NAMED", json!([{"type": "BODY", "text": "Hi {{name}}!"}]));
        let body = |parameter: Value| json!([{"type": "body", "parameters": [parameter]}]);
        check(
            &template,
            &body(json!({"type": "text", "parameter_name": "name", "text": "Ana"})),
        )
        .unwrap();
        assert_eq!(refusal(&template, body(text("Ana"))), 100);
        let other = json!({"type": "text", "parameter_name": "surname", "text": "Ana"});
        assert_eq!(refusal(&template, body(other)), 100);
    }

    #[test]
    fn a_media_header_needs_its_medium() {
        let template = template(
            "POSITIONAL",
            json!([{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Hi"}]),
        );
        let header = |parameter: Value| json!([{"type": "header", "parameters": [parameter]}]);
        check(
            &template,
            &header(json!({"type": "image", "image": {"link": "https://x.test/a.png"}})),
        )
        .unwrap();
        assert_eq!(refusal(&template, header(text("x"))), 132_012);
        assert_eq!(refusal(&template, Value::Null), 132_012);
        assert_eq!(
            refusal(&template, header(json!({"type": "image", "image": {}}))),
            131_008
        );
    }

    #[test]
    fn a_link_with_a_variable_needs_its_parameter() {
        let template = template(
            "POSITIONAL",
            json!([{"type": "BODY", "text": "Hi"}, {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "Yes"}, {"type": "URL", "text": "Track", "url": "https://x.test/{{1}}"}]}]),
        );
        let button = |index: Value, value: &str| json!([{"type": "button", "sub_type": "url", "index": index, "parameters": [text(value)]}]);
        check(&template, &button(json!("1"), "abc")).unwrap();
        check(&template, &button(json!(1), "abc")).unwrap();
        assert_eq!(refusal(&template, Value::Null), 131_008);
        assert_eq!(refusal(&template, button(json!("5"), "abc")), 131_009);
        assert_eq!(refusal(&template, button(json!("0"), "abc")), 132_012);
    }

    #[test]
    fn an_authentication_code_goes_in_body_and_button() {
        let mut template = template(
            "POSITIONAL",
            json!([{"type": "BODY"},
            {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]),
        );
        template.category = "AUTHENTICATION".to_owned();
        let body = json!({"type": "body", "parameters": [text("123456")]});
        let button =
            json!({"type": "button", "sub_type": "url", "index": "0", "parameters": [text("123456")]});
        check(&template, &json!([body, button])).unwrap();
        assert_eq!(refusal(&template, json!([body])), 131_008);
    }
}
