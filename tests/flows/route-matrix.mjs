// Who may ask what: every route by method. A new one needs a line here.
//
// `from`: the lowest predefined role that may; higher ones inherit it. `open`: everybody, without a token. `secret`: who
// knows the cron secret. `signed`: Meta. `anybody`: whoever is signed in, of a tenant or not.
// `foreign`: the tenant's own thing, of which another tenant's Super Admin is told 404: [name of the thing, path to it].

/** @typedef {{ from?: string, open?: true, secret?: true, signed?: true, anybody?: true, foreign?: string }} Who */

/** @type {Record<string, Who>} */
export const ROUTES = {
  "GET /api/health": { open: true },
  "GET /api/health/workers": { open: true },
  "GET /api/openapi.json": { open: true },
  "GET /api/whatsapp/webhook": { open: true },
  "POST /api/whatsapp/webhook": { signed: true },
  "GET /api/cron/imports": { secret: true },
  "GET /api/cron/process-broadcasts": { secret: true },

  "GET /api/auth/me": { from: "restricted" },
  "POST /api/tenant": { anybody: true },
  "GET /api/tenant": { from: "manager" },
  "PATCH /api/tenant": { from: "admin" },

  "GET /api/rbac/permissions": { from: "manager" },
  "GET /api/rbac/templates": { from: "manager" },
  "POST /api/rbac/templates": { from: "admin" },
  "DELETE /api/rbac/templates": { from: "admin" },
  "GET /api/rbac/roles": { from: "manager" },
  "POST /api/rbac/roles": { from: "admin" },
  "GET /api/rbac/roles/{id}": { from: "manager", foreign: "role" },
  "PATCH /api/rbac/roles/{id}": { from: "admin", foreign: "role" },
  "DELETE /api/rbac/roles/{id}": { from: "admin", foreign: "role" },
  "GET /api/rbac/users/{id}": { from: "manager", foreign: "person" },
  "PUT /api/rbac/users/{id}": { from: "admin", foreign: "person" },

  "GET /api/agents": { from: "team_lead" },
  "POST /api/agents": { from: "admin" },
  "GET /api/agents/{id}": { from: "team_lead", foreign: "person" },
  // one's own name and language; of others from admin
  "PATCH /api/agents/{id}": { from: "restricted", foreign: "person" },
  "DELETE /api/agents/{id}": { from: "admin", foreign: "person" },

  "GET /api/modules": { from: "manager" },
  "GET /api/modules/{id}": { from: "manager" },
  "PATCH /api/modules/{id}": { from: "admin" },

  "GET /api/api-keys": { from: "admin" },
  "POST /api/api-keys": { from: "admin" },
  "DELETE /api/api-keys/{id}": { from: "admin", foreign: "key" },

  "GET /api/audit-logs": { from: "admin" },

  "GET /api/whatsapp/sessions": { from: "junior_agent" },
  "POST /api/whatsapp/sessions": { from: "manager" },
  "GET /api/whatsapp/sessions/{id}": { from: "junior_agent", foreign: "number" },
  "PATCH /api/whatsapp/sessions/{id}": { from: "manager", foreign: "number" },
  "DELETE /api/whatsapp/sessions/{id}": { from: "manager", foreign: "number" },
  "POST /api/whatsapp/messages": { from: "junior_agent" },
  "POST /api/whatsapp/media": { from: "junior_agent" },
  "GET /api/whatsapp/media/{id}": { from: "viewer" },
  "DELETE /api/whatsapp/media/{id}": { from: "manager" },
  "GET /api/messages/{id}": { from: "viewer", foreign: "message" },
  "POST /api/messages/status": { from: "viewer" },
  "GET /api/cron/housekeeping": { secret: true },
  "POST /api/cron/replay-webhooks": { secret: true },

  "GET /api/conversations": { from: "guest" },
  "GET /api/conversations/{id}": { from: "guest", foreign: "conversation" },
  "GET /api/conversations/{id}/messages": { from: "viewer", foreign: "conversation" },
  "POST /api/conversations/{id}/messages": { from: "junior_agent", foreign: "conversation" },

  "POST /api/conversations/{id}/read": { from: "viewer", foreign: "conversation" },
  "POST /api/conversations/{id}/typing": { from: "junior_agent", foreign: "conversation" },

  "GET /api/automations": { from: "manager" },
  "PUT /api/automations": { from: "admin" },
  "GET /api/analytics/csat": { from: "team_lead" },
  "GET /api/quick-replies": { from: "viewer" },
  // one's own; everybody's from team_lead
  "POST /api/quick-replies": { from: "agent" },
  "GET /api/quick-replies/{id}": { from: "viewer", foreign: "quick_reply" },
  "PATCH /api/quick-replies/{id}": { from: "agent", foreign: "quick_reply" },
  "DELETE /api/quick-replies/{id}": { from: "agent", foreign: "quick_reply" },
  "POST /api/quick-replies/{id}/render": { from: "viewer", foreign: "quick_reply" },
  "GET /api/crm/segments": { from: "senior_agent" },
  "POST /api/crm/segments": { from: "manager" },
  "POST /api/crm/segments/preview": { from: "senior_agent" },
  "GET /api/crm/segments/{id}": { from: "senior_agent", foreign: "segment" },
  "PATCH /api/crm/segments/{id}": { from: "manager", foreign: "segment" },
  "DELETE /api/crm/segments/{id}": { from: "manager", foreign: "segment" },

  "GET /api/broadcast/campaigns": { from: "manager" },
  "POST /api/broadcast/campaigns": { from: "manager" },
  "GET /api/broadcast/campaigns/{id}": { from: "manager", foreign: "campaign" },
  "PATCH /api/broadcast/campaigns/{id}": { from: "manager", foreign: "campaign" },
  "DELETE /api/broadcast/campaigns/{id}": { from: "manager", foreign: "campaign" },
  "GET /api/broadcast/campaigns/{id}/check": { from: "manager", foreign: "campaign" },
  "GET /api/broadcast/campaigns/{id}/recipients": { from: "manager", foreign: "campaign" },
  "POST /api/broadcast/campaigns/{id}/cancel": { from: "manager", foreign: "campaign" },
  "POST /api/broadcast/campaigns/{id}/complete": { from: "manager", foreign: "campaign" },
  "POST /api/broadcast/campaigns/{id}/duplicate": { from: "manager", foreign: "campaign" },
  "POST /api/broadcast/campaigns/{id}/pause": { from: "manager", foreign: "campaign" },
  "POST /api/broadcast/campaigns/{id}/resume": { from: "manager", foreign: "campaign" },
  "POST /api/broadcast/campaigns/{id}/retry": { from: "manager", foreign: "campaign" },
  "POST /api/broadcast/campaigns/{id}/send": { from: "manager", foreign: "campaign" },
  "GET /api/broadcast/prices": { from: "manager" },
  "PUT /api/broadcast/prices": { from: "admin" },
  "GET /api/broadcast/debug/queue": { from: "manager" },
  "GET /api/broadcast/debug/scheduled": { from: "manager" },
  "POST /api/broadcast/scheduler/{id}": { from: "manager" },
  "GET /api/queue": { from: "manager" },
  "POST /api/queue/retry": { from: "manager" },

  "GET /api/broadcast/recipient-lists": { from: "manager" },
  "POST /api/broadcast/recipient-lists": { from: "manager" },
  "GET /api/broadcast/recipient-lists/template": { from: "manager" },
  "POST /api/broadcast/recipient-lists/uploads": { from: "manager" },
  "GET /api/broadcast/recipient-lists/{id}": { from: "manager", foreign: "list" },
  "PATCH /api/broadcast/recipient-lists/{id}": { from: "manager", foreign: "list" },
  "DELETE /api/broadcast/recipient-lists/{id}": { from: "manager", foreign: "list" },
  "GET /api/broadcast/recipient-lists/{id}/entries": { from: "manager", foreign: "list" },
  "GET /api/broadcast/recipient-lists/{id}/errors": { from: "manager", foreign: "list" },
  "GET /api/broadcast/templates": { from: "agent" },
  "POST /api/broadcast/templates": { from: "manager" },
  "GET /api/broadcast/templates/{id}": { from: "agent", foreign: "template" },
  "PUT /api/broadcast/templates/{id}": { from: "manager", foreign: "template" },
  "PATCH /api/broadcast/templates/{id}": { from: "manager", foreign: "template" },
  "DELETE /api/broadcast/templates/{id}": { from: "manager", foreign: "template" },
  "POST /api/broadcast/templates/{id}/submit": { from: "manager", foreign: "template" },
  "POST /api/broadcast/templates/preview": { from: "agent" },
  "POST /api/broadcast/templates/sync": { from: "manager" },
};

/** From the lowest to the highest. */
export const ROLES = [
  "restricted", "guest", "viewer", "junior_agent", "agent", "senior_agent", "team_lead", "manager", "admin", "super_admin",
];

/** Bodies that reach the thing itself: others are refused for their fields first. @type {Record<string, object>} */
export const BODIES = {
  "PUT /api/rbac/users/{id}": { role_ids: ["00000000-0000-4000-8000-000000000001"] },
  "PATCH /api/rbac/roles/{id}": { description: "x" },
  "PATCH /api/agents/{id}": { display_name: "x" },
  "PATCH /api/modules/{id}": { enabled: true },
  "PATCH /api/broadcast/recipient-lists/{id}": { name: "x" },
  "PATCH /api/crm/segments/{id}": { name: "x" },
  "PATCH /api/quick-replies/{id}": { title: "x" },
  "POST /api/quick-replies/{id}/render": { conversation_id: "00000000-0000-4000-8000-000000000001" },
  "POST /api/conversations/{id}/messages": { text: "x" },
};
