// The functions of schema public that run with their owner's rights and that people's requests call, by the reason for
// the rights: the line `-- Security definer: …` above each. Supabase's database linter warns of each of them (0029,
// authenticated_security_definer_function_executable), and the warnings can be compared with this list. No function is
// open to callers without a token.

/**
 * They write. Clients have no right to write tables: each of these checks the caller, and runs only in a request of our
 * functions (`private.begin_request`).
 * @type {Record<string, string[]>}
 */
export const WRITERS = {
  "as for reading receipts; it checks row level security explicitly.": ["typing_target"],
  "callers have no right to read tenants that they do not belong to.": ["preview_invitation"],
  "callers have no right to write people, roles of people and invitations.": ["accept_invitation"],
  "clients have no right to call `private.actor`.": ["record_contact_consent"],
  "clients have no right to call `private.change_contact`.": ["update_contact"],
  "clients have no right to call `private.contact_condition`.": ["delete_contacts"],
  "clients have no right to call `private.erase_contact`.": ["delete_contact", "erase_contact"],
  "clients have no right to call `private.known_upload`.": ["files_to_upload"],
  "clients have no right to call `private.own_template`.": ["begin_template_deletion"],
  "clients have no right to call `private.sees_contact`.": ["list_contact_data_messages"],
  "clients have no right to call `private.template_number`.": ["begin_template_sync"],
  "clients have no right to read `private.former_identities`.": ["get_contact_data"],
  "clients have no right to write API keys and keys.": ["create_api_key"],
  "clients have no right to write API keys and roles.": ["delete_role"],
  "clients have no right to write API keys.": ["revoke_api_key"],
  "clients have no right to write campaigns and recipients.": ["update_campaign"],
  "clients have no right to write campaigns and tenants.": ["control_scheduler"],
  "clients have no right to write campaigns.": ["act_on_campaign", "delete_campaign", "retry_failed"],
  "clients have no right to write contacts and fields.": ["delete_contact_field", "update_contact_field"],
  "clients have no right to write contacts and labels.": ["change_contacts"],
  "clients have no right to write contacts.": ["block_contact", "create_contact", "merge_contact"],
  "clients have no right to write conversations.": [
    "assign_conversation",
    "delete_conversation",
    "read_conversation",
    "unread_conversation",
    "update_conversation",
  ],
  "clients have no right to write fields.": ["create_contact_field"],
  "clients have no right to reserve places.": ["place_direct_publication", "place_published_file"],
  "clients have no right to write files.": ["begin_upload", "delete_media", "delete_published_file", "publish_file"],
  "clients have no right to write imports and recipient lists.": ["begin_recipient_import"],
  "clients have no right to write imports.": ["begin_contact_import"],
  "clients have no right to write invitations.": ["invite_agent", "resend_invitation", "withdraw_invitation"],
  "clients have no right to write labels.": ["create_label", "delete_label", "label_conversation", "update_label"],
  "clients have no right to write messages.": [
    "create_message",
    "create_message_to",
    "delete_message",
    "forward_message",
    "resend_message",
    "schedule_message",
  ],
  "clients have no right to write modules.": ["set_module"],
  "clients have no right to write notes.": [
    "create_contact_note",
    "create_note",
    "delete_contact_note",
    "delete_note",
    "update_note",
  ],
  "clients have no right to write numbers.": ["change_number", "delete_number", "set_assignment"],
  "clients have no right to write people, roles of people and tenants.": ["create_tenant"],
  "clients have no right to write people.": ["leave_tenant", "update_agent"],
  "clients have no right to write permission templates.": ["delete_permission_template", "save_permission_template"],
  "clients have no right to write prices.": ["set_message_prices"],
  "clients have no right to write quick replies.": ["delete_quick_reply", "render_quick_reply", "save_quick_reply"],
  "clients have no right to write recipient lists.": [
    "create_recipient_list_from_contacts",
    "delete_recipient_list",
    "rename_recipient_list",
  ],
  "clients have no right to write roles of people.": ["set_user_roles"],
  "clients have no right to write roles.": ["create_role", "update_role"],
  "clients have no right to write segments.": ["delete_segment", "save_segment"],
  "clients have no right to write settings and tenants.": ["save_automations"],
  "clients have no right to write templates.": ["begin_template_submission", "create_template", "update_template"],
  "clients have no right to write tenants.": ["update_tenant"],
  "clients have no right to write these tables.": ["create_campaign", "create_recipient_list"],
};

/**
 * They read, and check the caller themselves.
 * @type {Record<string, string[]>}
 */
export const READERS = {
  "a caller with `queue.view` alone sees no campaign under row-level security.": ["list_scheduled_campaigns"],
  "a caller with `reports.view` need not be able to read messages and people.": ["csat_report"],
  "clients have no right to call `private.agent_json`.": ["get_agent"],
  "clients have no right to call `private.check_of`.": ["check_campaign"],
  "clients have no right to call `private.api_key_json`.": ["list_api_keys"],
  "clients have no right to call `private.clean_tags`.": ["preview_contact_merge"],
  "clients have no right to call `private.contact_json`.": ["get_contact", "list_contact_duplicates"],
  "clients have no right to call `private.contact_note_json`.": ["list_contact_notes", "list_contact_timeline"],
  "clients have no right to call `private.count_segment`.": ["preview_segment"],
  "clients have no right to call `private.prices_of`.": ["list_message_prices"],
  "clients have no right to call `private.role_json`.": ["get_role", "list_roles"],
  "clients have no right to call `private.segment_json`.": ["get_segment", "list_segments"],
  "clients have no right to read `auth.users`.": ["list_agents"],
  "it reads who the caller is, and clients have no right to read `private.access_versions`.": ["get_live"],
  "clients have no right to read `private.role_holdings`.": ["current_access", "get_user_access"],
  "clients have no right to read `private.sender_leases`.": ["get_queue"],
  "no index could be used under row level security; the same rule is in `private.contact_condition`.": [
    "list_contacts",
  ],
  "people who send templates may have no right to list them.": ["sendable_template"],
  "the caller cannot see another tenant's number, which still blocks the connection.": ["find_number_session"],
  "the figures count every message of the number, also those of colleagues.": ["number_delivery"],
};
