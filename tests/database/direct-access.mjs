// Callers who go past our functions, with a token or a key of their own, and the objects that they reach: one line for each
// object of PostgREST, Storage and Realtime. A new object needs a line here. Tables have theirs in matrix.mjs. All people
// are of one tenant, and its conversation is assigned to `agent`. Callers without a right in the tenant are in no line.
import { ROLES } from "./matrix.mjs";

/** Callers without a right in the tenant: `foreigner` is the Super Admin of another one. */
export const OUTSIDERS = ["anon", "api_key", "foreigner", "newcomer", "deactivated"];

/**
 * The callers that a line names: `from <role>` is that role and every higher one, `members` every role, `nobody` none.
 * @param {string} line @returns {string[]}
 */
export function toCallers(line) {
  const named = line.split(", ").flatMap((part) => {
    if (part === "nobody") return [];
    if (part === "members") return [...ROLES];
    const role = /^from (\w+)$/.exec(part)?.[1];
    return role ? ROLES.slice(0, ROLES.findIndex((known) => known === role) + 1) : [part];
  });
  return [
    ...ROLES.filter((role) => named.includes(role)),
    ...named.filter((name) => !ROLES.some((role) => role === name)),
  ];
}

/**
 * Functions that clients may call. `writes`: refused to every caller with `functions_only`. Any other line names who gets an
 * answer; a list may be empty, for policies decide about its rows.
 * @type {Record<string, string>}
 */
export const FUNCTIONS = {
  accept_invitation: "writes",
  act_on_campaign: "writes",
  act_on_conversations: "writes",
  assign_conversation: "writes",
  begin_contact_import: "writes",
  begin_recipient_import: "writes",
  begin_template_deletion: "writes",
  begin_template_submission: "writes",
  begin_template_sync: "writes",
  begin_upload: "writes",
  block_contact: "writes",
  change_contacts: "writes",
  change_number: "writes",
  check_campaign: "from manager",
  control_scheduler: "writes",
  count_inbox: "members",
  create_api_key: "writes",
  create_campaign: "writes",
  create_contact: "writes",
  create_contact_field: "writes",
  create_contact_note: "writes",
  create_label: "writes",
  create_message: "writes",
  create_message_to: "writes",
  create_note: "writes",
  create_recipient_list: "writes",
  create_recipient_list_from_contacts: "writes",
  create_role: "writes",
  create_template: "writes",
  create_tenant: "writes",
  csat_report: "from team_lead",
  current_access: "members",
  delete_campaign: "writes",
  delete_contact: "writes",
  delete_contact_field: "writes",
  delete_contact_note: "writes",
  delete_contacts: "writes",
  delete_conversation: "writes",
  delete_label: "writes",
  delete_media: "writes",
  delete_message: "writes",
  delete_note: "writes",
  delete_number: "writes",
  delete_permission_template: "writes",
  delete_published_file: "writes",
  delete_quick_reply: "writes",
  delete_recipient_list: "writes",
  delete_role: "writes",
  delete_segment: "writes",
  erase_contact: "writes",
  files_to_upload: "writes",
  find_number_session: "from manager",
  forward_message: "writes",
  get_agent: "from team_lead",
  get_assignment: "from junior_agent",
  get_automations: "from manager",
  get_campaign: "from manager",
  get_contact: "from agent",
  get_contact_data: "writes",
  get_contact_import: "from manager",
  get_conversation: "from team_lead, agent",
  get_media: "from team_lead, agent",
  get_message: "from team_lead, agent",
  get_module: "from manager",
  get_number: "from junior_agent",
  get_queue: "from manager",
  get_quick_reply: "from viewer",
  get_recipient_list: "from manager",
  get_role: "from manager",
  get_segment: "from senior_agent",
  get_template: "from agent",
  get_tenant: "from manager",
  get_user_access: "from manager",
  invite_agent: "writes",
  label_conversation: "writes",
  leave_tenant: "writes",
  list_agents: "from team_lead",
  list_api_keys: "from admin",
  list_audit_logs: "from admin",
  list_campaign_recipients: "from manager",
  list_campaigns: "members",
  list_changes: "members",
  list_contact_consents: "from agent",
  list_contact_data_messages: "writes",
  list_contact_duplicates: "from senior_agent",
  list_contact_fields: "members",
  list_contact_import_errors: "from manager",
  list_contact_imports: "members",
  list_contact_notes: "from agent",
  list_contact_timeline: "from agent",
  list_contacts: "from guest",
  list_conversation_events: "from team_lead, agent",
  list_inbox: "members",
  list_invitations: "from team_lead",
  list_labels: "members",
  list_message_prices: "from manager",
  list_modules: "from manager",
  list_notes: "from team_lead, agent",
  list_numbers: "members",
  list_permission_templates: "from manager",
  list_permissions: "from manager",
  list_published_files: "members",
  list_quick_replies: "members",
  list_recipient_list_entries: "from manager",
  list_recipient_list_errors: "from manager",
  list_recipient_lists: "members",
  list_roles: "from manager",
  list_scheduled_campaigns: "from manager",
  list_segments: "from senior_agent",
  list_templates: "members",
  merge_contact: "writes",
  message_statuses: "members",
  number_delivery: "from junior_agent",
  place_direct_publication: "writes",
  place_published_file: "writes",
  preview_contact_merge: "from team_lead",
  preview_invitation: "writes",
  preview_segment: "from senior_agent",
  publish_file: "writes",
  read_conversation: "writes",
  read_thread: "from team_lead, agent",
  record_contact_consent: "writes",
  rename_recipient_list: "writes",
  render_quick_reply: "writes",
  resend_invitation: "writes",
  resend_message: "writes",
  retry_failed: "writes",
  revoke_api_key: "writes",
  save_automations: "writes",
  save_permission_template: "writes",
  save_quick_reply: "writes",
  save_segment: "writes",
  schedule_message: "writes",
  sendable_template: "from agent",
  set_assignment: "writes",
  set_message_prices: "writes",
  set_module: "writes",
  set_user_roles: "writes",
  typing_target: "writes",
  unread_conversation: "writes",
  update_agent: "writes",
  update_campaign: "writes",
  update_contact: "writes",
  update_contact_field: "writes",
  update_conversation: "writes",
  update_label: "writes",
  update_note: "writes",
  update_role: "writes",
  update_template: "writes",
  update_tenant: "writes",
  withdraw_invitation: "writes",
};

/** Buckets, and who, with a token of their own, reads, adds, changes and removes files there. @type {Record<string, Record<string, string>>} */
export const BUCKETS = {
  "broadcast-media": { reads: "nobody", adds: "nobody", changes: "nobody", removes: "nobody" },
  "chat-media": { reads: "nobody", adds: "nobody", changes: "nobody", removes: "nobody" },
  imports: { reads: "nobody", adds: "nobody", changes: "nobody", removes: "nobody" },
};

/** The policies of Storage and Realtime. */
export const POLICIES = [
  "messages insert: people announce their presence in conversations they may see",
  "messages select: people join the presence of conversations they may see",
  "messages select: people listen to their own topics",
];

/** Kinds of topics, and who listens and sends there. @type {Record<string, { listens: string, sends: string }>} */
export const TOPICS = {
  "tenant:<tenant>": { listens: "from team_lead", sends: "nobody" },
  "tenant:<tenant>:unassigned": { listens: "from viewer", sends: "nobody" },
  "tenant:<tenant>:contacts": { listens: "from senior_agent", sends: "nobody" },
  "tenant:<tenant>:labels": { listens: "from viewer", sends: "nobody" },
  "tenant:<tenant>:segments": { listens: "from senior_agent", sends: "nobody" },
  "tenant:<tenant>:quick_replies": { listens: "from viewer", sends: "nobody" },
  "tenant:<tenant>:agents": { listens: "from team_lead", sends: "nobody" },
  "tenant:<tenant>:settings": { listens: "from manager", sends: "nobody" },
  "tenant:<tenant>:reports": { listens: "from team_lead", sends: "nobody" },
  "agent:<agent>": { listens: "agent", sends: "nobody" },
  "conversation:<conversation>": { listens: "from team_lead, agent", sends: "from team_lead, agent" },
  anything: { listens: "nobody", sends: "nobody" },
};
