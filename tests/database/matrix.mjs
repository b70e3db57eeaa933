// Who may do what with each table and function of schema public. A new one needs a line here.
//
// Rows and callers of the matrix: the rows belong to one tenant; its conversation is assigned to `agent`. `foreigner`
// is an admin of another tenant, `deactivated` was an admin of this one. Nobody but the service writes tables: clients
// change things through functions alone.

export const CALLERS = /** @type {const} */ (["anon", "admin", "manager", "agent", "foreigner", "deactivated", "service"]);

const everyMember = ["admin", "manager", "agent"];
const supervisors = ["admin", "manager"];
const everyTenant = [...everyMember, "foreigner"];
const nobody = /** @type {string[]} */ ([]);

/** Who sees the tenant's row, besides the service. @type {Record<string, { seenBy: string[] }>} */
export const TABLES = {
  tenants: { seenBy: everyMember },
  profiles: { seenBy: everyMember },
  roles: { seenBy: everyMember },
  // the list of what can be permitted, and is the same for all
  permissions: { seenBy: everyTenant },
  role_permissions: { seenBy: everyMember },
  user_roles: { seenBy: everyMember },

  whatsapp_sessions: { seenBy: everyMember },
  contacts: { seenBy: everyMember },
  conversations: { seenBy: everyMember },
  messages: { seenBy: everyMember },
  message_status_events: { seenBy: everyMember },
  // a delivery may hold several tenants' data
  webhook_events: { seenBy: nobody },

  broadcast_templates: { seenBy: supervisors },
  broadcast_campaigns: { seenBy: supervisors },
  broadcast_recipients: { seenBy: supervisors },
};

/** What a signed-in user may call; without a token nothing can be called. */
export const CALLED_BY_USERS = [
  "current_access",
  "list_conversations",
  "get_conversation",
  "list_messages",
  "create_reply",
  "list_campaigns",
  "get_campaign",
  "create_campaign",
];

/** What only the service may call. */
export const CALLED_BY_SERVICE = [
  "ingest_webhook",
  "record_replies",
  "break_session",
  "begin_sender_run",
  "claim_recipients",
  "record_recipients",
  "release_sender",
  "finish_sender_run",
  "announce_campaigns",
  "worker_health",
];

/** What policies and the functions above run in the caller's name. Schema private is not exposed. */
export const PRIVATE_RUN_BY_USERS = [
  "tenant_id",
  "has_permission",
  "sees_unassigned",
  "may_listen",
  "conversation_json",
  "message_json",
  "campaign_json",
  "campaign_counts",
];
