//! The error codes with their meanings, for people who write programs.

/// Pairs of code and meaning, sorted by code.
const CODES: &[(&str, &str)] = &[
    (
        "access_changed",
        "Your permissions have just changed. Please try again.",
    ),
    (
        "account_blocked",
        "Meta has blocked the WhatsApp Business account.",
    ),
    ("already_member", "You already belong to an organisation."),
    ("already_resent", "This message has already been sent again."),
    ("api_key_expired", "The API key has expired."),
    ("api_key_revoked", "The API key has been revoked."),
    (
        "api_keys_undecided",
        "API keys that the person created still work: say whether to keep or to revoke them.",
    ),
    (
        "campaign_problems",
        "The check of the campaign has errors; `fields` names their codes. Correct them, or name them in accept_problems.",
    ),
    ("campaign_state", "The state of the campaign does not allow this."),
    ("conflict", "It conflicts with something that already exists."),
    ("contact_blocked", "The contact is blocked."),
    (
        "contact_changed",
        "The contact has changed meanwhile. Please reload it.",
    ),
    ("contact_exists", "This number already belongs to a contact."),
    (
        "contact_opted_out",
        "The contact does not want marketing messages.",
    ),
    (
        "contact_unreachable",
        "The contact has no phone number and no WhatsApp id any more.",
    ),
    (
        "conversations_hidden",
        "You do not see every conversation of this contact.",
    ),
    (
        "count_differs",
        "The action would apply to another number of contacts than expected. Nothing was changed.",
    ),
    ("email_not_confirmed", "Please confirm your e-mail address first."),
    (
        "email_taken",
        "This e-mail address belongs to a person of your organisation.",
    ),
    (
        "field_values",
        "Contacts have values that would not fit after this change.",
    ),
    ("file_in_use", "This file is already being imported."),
    ("forbidden", "You may not do this."),
    ("internal", "Something went wrong on our side."),
    ("invalid_field", "Some fields are not valid."),
    (
        "invalid_filter",
        "The filter is not valid at the place that `fields` names.",
    ),
    (
        "invalid_form",
        "The form could not be read. Send it as multipart/form-data.",
    ),
    ("invalid_json", "The body is not valid JSON."),
    (
        "invitation_expired",
        "The invitation has expired. Ask for another one.",
    ),
    ("last_super_admin", "The last Super Admin cannot be removed."),
    ("late", "Recipients wait and no sender is at work."),
    ("list_not_ready", "The recipient list is not ready."),
    (
        "message_not_deletable",
        "A reaction, an edit or a revocation is not a message of its own.",
    ),
    (
        "message_not_failed",
        "Only messages that failed, or whose outcome is unknown, can be sent again.",
    ),
    ("message_sending", "The message is being sent at this moment."),
    ("meta_unavailable", "Meta does not answer at the moment."),
    (
        "module_dependency",
        "The module needs another module that is switched off.",
    ),
    (
        "module_disabled",
        "Your organisation has switched this module off.",
    ),
    ("module_required", "Another module needs this one."),
    ("name_taken", "This name is already in use."),
    (
        "no_agent_available",
        "No person of the number's team is online and has room for another conversation.",
    ),
    (
        "no_connected_number",
        "No number of this WhatsApp Business account is connected.",
    ),
    (
        "no_tenant",
        "Your account belongs to no organisation, or has been deactivated.",
    ),
    ("not_forwardable", "This message cannot be forwarded."),
    ("not_found", "It does not exist, or you may not see it."),
    ("nothing_to_retry", "Nothing is left to retry."),
    (
        "number_taken",
        "This number is connected to another organisation.",
    ),
    (
        "number_unavailable",
        "The number of the conversation cannot send at the moment.",
    ),
    ("other_address", "The invitation is for another e-mail address."),
    ("own_account", "You cannot do this to your own account."),
    ("payload_too_large", "The request body is too large."),
    (
        "permission_not_held",
        "You cannot give permissions that you do not hold.",
    ),
    (
        "person_left",
        "The person has left the organisation. Only an invitation brings them back.",
    ),
    (
        "predefined_role",
        "Predefined roles are the same for every organisation and cannot be changed.",
    ),
    (
        "published_file_in_use",
        "A template or a quick reply uses this file.",
    ),
    (
        "registration_throttled",
        "Meta has seen too many attempts to register this number.",
    ),
    (
        "request_running",
        "The first request with this Idempotency-Key has not been answered yet. Repeat it in a moment.",
    ),
    (
        "request_unfinished",
        "The first request with this Idempotency-Key changed something and was then interrupted. Look at the result before you use a new key.",
    ),
    (
        "resync_required",
        "Changes since then are no longer kept. Please load everything again.",
    ),
    ("role_in_use", "A person or an API key still holds this role."),
    (
        "role_too_high",
        "The role or the person is not below your own level.",
    ),
    ("shortcut_taken", "This shortcut is already in use."),
    ("slug_taken", "This short name is already in use."),
    (
        "template_changed",
        "The template has changed meanwhile. Please reload it.",
    ),
    (
        "template_edit_limit",
        "Meta allows one edit of an approved template in 24 hours, and ten in 30 days.",
    ),
    (
        "template_exists",
        "A template with this name already exists in this language.",
    ),
    (
        "template_in_use",
        "A campaign that has not ended uses this template.",
    ),
    ("template_not_approved", "Meta has not approved the template."),
    (
        "template_not_deletable",
        "WhatsApp does not allow to delete a disabled template.",
    ),
    (
        "template_not_editable",
        "Only drafts and approved, rejected or paused templates can be changed and submitted.",
    ),
    ("template_refused", "Meta does not accept the template."),
    (
        "template_submitting",
        "The template is being submitted at this moment.",
    ),
    (
        "template_unchanged",
        "Nothing has changed since the template was approved.",
    ),
    (
        "token_key_missing",
        "This installation cannot store access tokens: TOKEN_ENCRYPTION_KEY is not set.",
    ),
    ("too_many", "The maximum number has been reached."),
    ("too_many_fields", "There are already 100 custom fields."),
    ("too_many_requests", "Too many requests. Please wait a moment."),
    ("unauthorized", "Please sign in."),
    (
        "unavailable",
        "The service is not available at the moment. Please try again.",
    ),
    ("unknown_api_key", "This API key is not known."),
    ("unknown_variable", "There is no such variable."),
    ("unreadable_body", "The request body did not arrive completely."),
    ("unsupported_media_type", "Send the body as application/json."),
    (
        "variables_unmapped",
        "A variable of the template has no source, or a source has no variable.",
    ),
    (
        "whatsapp_account_unusable",
        "WhatsApp does not let us use this account.",
    ),
    ("whatsapp_busy", "WhatsApp asks to wait before the next request."),
    (
        "whatsapp_unreachable",
        "WhatsApp did not answer. Please synchronise, then try again.",
    ),
    (
        "window_closed",
        "The customer last wrote more than 24 hours ago: only an approved template can be sent.",
    ),
    ("wrong_verify_token", "The verify token is wrong."),
];

/// The meaning of a code, if it is one of ours.
pub(super) fn meaning(code: &str) -> Option<&'static str> {
    let place = CODES.binary_search_by_key(&code, |(known, _)| known).ok()?;
    Some(CODES[place].1)
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_sorted_and_unique() {
        assert!(CODES.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
