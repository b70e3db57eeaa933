// Who may do what with each table and function of schema public. A new one needs a line here.
//
// Rows and callers of the matrix: the rows belong to one tenant; its conversation is assigned to `agent`. There is one
// person for each predefined role, who holds it and no other. `api_key` is a key with the role of a manager,
// `foreigner` the Super Admin of another tenant, `deactivated` was a Super Admin of this one. Nobody but the service
// writes tables: clients change things through functions alone.

/** The predefined roles, from level 10 to level 1. */
export const ROLES = /** @type {const} */ ([
  "super_admin", "admin", "manager", "team_lead", "senior_agent", "agent", "junior_agent", "viewer", "guest", "restricted",
]);
export const CALLERS = /** @type {const} */ (["anon", ...ROLES, "api_key", "foreigner", "deactivated", "service"]);

/** Whoever has this role or a higher one; a key counts as its role. @param {typeof ROLES[number]} role @returns {string[]} */
const from = (role) => {
  const people = ROLES.slice(0, ROLES.indexOf(role) + 1);
  return people.includes("manager") ? [...people, "api_key"] : people;
};
const everyMember = from("restricted");
const everyTenant = [...everyMember, "foreigner"];
const nobody = /** @type {string[]} */ ([]);
const ALL = ["select", "insert", "update", "delete"];

/**
 * Who sees the tenant's row, besides the service; and what the service may do with it, where that is not everything.
 * @type {Record<string, { seenBy: string[], service?: string[] }>}
 */
export const TABLES = {
  tenants: { seenBy: everyMember },
  // somebody else's
  profiles: { seenBy: from("guest") },
  // one of the tenant's own, that none of the callers holds
  roles: { seenBy: from("team_lead") },
  role_permissions: { seenBy: from("team_lead") },
  user_roles: { seenBy: from("team_lead") },
  permission_templates: { seenBy: from("manager") },
  // the lists of what can be permitted and switched on, and are the same for all
  permissions: { seenBy: everyTenant },
  modules: { seenBy: everyTenant },
  tenant_modules: { seenBy: everyMember },
  invitations: { seenBy: from("team_lead") },
  api_keys: { seenBy: from("admin") },
  // append-only, by triggers
  audit_logs: { seenBy: from("admin"), service: ["select"] },

  whatsapp_sessions: { seenBy: from("guest") },
  contacts: { seenBy: [...from("senior_agent"), "agent"] },
  conversations: { seenBy: [...from("team_lead"), "agent"] },
  messages: { seenBy: [...from("team_lead"), "agent"] },
  message_status_events: { seenBy: [...from("team_lead"), "agent"] },
  message_media: { seenBy: [...from("team_lead"), "agent"] },
  // a delivery may hold several tenants' data
  webhook_events: { seenBy: nobody },
  contact_consents: { seenBy: [...from("senior_agent"), "agent"] },
  account_events: { seenBy: from("manager") },

  broadcast_templates: { seenBy: from("agent") },
  broadcast_campaigns: { seenBy: from("manager") },
  // the same for all
  calling_codes: { seenBy: everyTenant },
  message_prices: { seenBy: from("manager") },
  broadcast_recipients: { seenBy: from("manager") },
  recipient_lists: { seenBy: from("manager") },
  recipient_list_entries: { seenBy: from("manager") },
  recipient_list_errors: { seenBy: from("manager") },

  labels: { seenBy: from("viewer") },
  conversation_labels: { seenBy: [...from("team_lead"), "agent"] },
  contact_labels: { seenBy: [...from("senior_agent"), "agent"] },
  contact_fields: { seenBy: from("guest") },
};

/** What the service may do with a table. @param {string} table */
export const allowedToService = (table) => TABLES[table].service ?? ALL;

/** What a signed-in user may call; without a token nothing can be called. */
export const CALLED_BY_USERS = [
  "current_access",
  "create_tenant",
  "get_tenant",
  "update_tenant",
  "list_roles",
  "get_role",
  "create_role",
  "update_role",
  "delete_role",
  "list_permissions",
  "list_permission_templates",
  "save_permission_template",
  "delete_permission_template",
  "get_user_access",
  "set_user_roles",
  "list_agents",
  "get_agent",
  "invite_agent",
  "withdraw_invitation",
  "update_agent",
  "list_modules",
  "get_module",
  "set_module",
  "list_api_keys",
  "create_api_key",
  "revoke_api_key",
  "list_audit_logs",

  "list_conversations",
  "get_conversation",
  "list_messages",
  "get_message",
  "message_statuses",
  "create_reply",
  "create_message",
  "create_message_to",
  "sendable_template",
  "read_conversation",
  "typing_target",
  "get_media",
  "begin_upload",
  "delete_media",
  "list_numbers",
  "get_number",
  "change_number",
  "delete_number",
  "number_delivery",
  "number_place",
  "list_campaigns",
  "get_campaign",
  "create_campaign",
  "update_campaign",
  "delete_campaign",
  "act_on_campaign",
  "check_campaign",
  "list_campaign_recipients",
  "list_message_prices",
  "set_message_prices",
  "control_scheduler",
  "get_queue",
  "list_scheduled_campaigns",
  "retry_failed",

  "list_recipient_lists",
  "get_recipient_list",
  "list_recipient_list_entries",
  "list_recipient_list_errors",
  "create_recipient_list",
  "create_recipient_list_from_contacts",
  "begin_recipient_import",
  "rename_recipient_list",
  "delete_recipient_list",
  "list_templates",
  "get_template",
  "create_template",
  "update_template",
  "begin_template_submission",
  "begin_template_deletion",
  "begin_template_sync",
];

/** What only the service may call. */
export const CALLED_BY_SERVICE = [
  "complete_invitation",
  "add_member",
  "record_refusal",
  "note_api_key_use",
  "prune_audit_logs",
  "ingest_webhook",
  "webhook_events_to_replay",
  "prune_webhook_events",
  "record_replies",
  "break_session",
  "begin_sender_run",
  "claim_recipients",
  "record_recipients",
  "release_sender",
  "take_over_sender",
  "end_restrictions",
  "finish_sender_run",
  "announce_campaigns",
  "record_template_submission",
  "record_template_deletion",
  "record_template_sync",
  "number_token",
  "worker_health",
  "connect_number",
  "ensure_default_number",
  "numbers_to_check",
  "record_number_health",
  "list_session_tokens",
  "reseal_session_token",
  "number_access",
  "note_sends",
  "breaker_health",
  "finish_upload",
  "claim_media",
  "finish_media",
  "expire_idempotency_keys",
  "run_retention",
  "begin_housekeeping",
  "finish_housekeeping",
  "claim_recipient_import",
  "record_recipient_import",
  "release_recipient_import",
  "finish_recipient_import",
  "stale_import_files",
];

/** What Supabase Auth calls, and the service may. */
export const CALLED_BY_AUTH = ["hook_password_verification_attempt"];

/** What runs before a request has an identity. Schema private is not exposed. */
export const PRIVATE_RUN_BY_ANYBODY = ["begin_request", "api_key_of"];

/** What policies and the functions above run in the caller's name. Schema private is not exposed. */
export const PRIVATE_RUN_BY_USERS = [
  ...PRIVATE_RUN_BY_ANYBODY,
  "tenant_id",
  "person_id",
  "caller_roles",
  "access_version",
  "has_permission",
  "require",
  "sees_unassigned",
  "may_listen",
  "phone_key",
  "stands_alone",
  "conversation_json",
  "message_json",
  "media_json",
  "number_json",
  "campaign_json",
  "campaign_counts",
  "render_template",
  "recipient_list_json",
  "opted_out_lines",
  "template_json",
];

/** Tables whose changes the audit log does not tell of, and why. @type {Record<string, string>} */
export const UNAUDITED = {
  audit_logs: "is the log",
  permissions: "the same for all tenants: migrations change it",
  modules: "the same for all tenants: migrations change it",
  calling_codes: "the same for all tenants: migrations change it",
  account_events: "is a history itself: Meta's notices",
  message_status_events: "is a history itself: Meta's",
  recipient_list_errors: "is a history itself: of rows that are not kept",
  webhook_events: "is a history itself: of deliveries that may hold several tenants' data",
};
