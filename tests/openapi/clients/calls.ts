// Every list and every create operation, called with the client that openapi-typescript and openapi-fetch make of the
// document: what does not fit the document does not compile.
import createClient from "openapi-fetch";
import type { paths } from "./schema";

/** What the calls are about: things that exist, and what makes new ones unique. */
export interface Things {
  /** In names of what is created. */
  unique: string;
  /** Digits of phone numbers that nobody has. */
  phone: string;
  roleId: string;
  contactId: string;
  otherContactId: string;
  conversationId: string;
  failedMessageId: string;
  templateId: string;
  campaignId: string;
  listId: string;
  number: { phone_number_id: string; business_account_id: string; token: string };
}

/** Makes every call; with `fetch` it is recorded in place of being sent. */
export async function callAll(
  baseUrl: string,
  tokens: { member: string; newcomer: string },
  things: Things,
  fetch?: (request: Request) => Promise<Response>,
): Promise<void> {
  const options = { baseUrl, fetch, querySerializer: { array: { style: "form", explode: false } } } as const;
  const api = createClient<paths>({ ...options, headers: { authorization: `Bearer ${tokens.member}` } });
  const newcomer = createClient<paths>({ ...options, headers: { authorization: `Bearer ${tokens.newcomer}` } });
  const { unique } = things;
  const id = { path: { id: things.contactId } };
  const conversation = { path: { id: things.conversationId } };

  // Lists
  await api.GET("/api/agents", { params: { query: { active: true, limit: 2 } } });
  await api.GET("/api/agents/invitations", { params: { query: { limit: 2 } } });
  await api.GET("/api/api-keys", { params: { query: { page: 1 } } });
  await api.GET("/api/audit-logs", { params: { query: { limit: 3 } } });
  await api.GET("/api/broadcast/campaigns", { params: { query: { status: "draft" } } });
  await api.GET("/api/broadcast/campaigns/{id}/recipients", { params: { path: { id: things.campaignId } } });
  await api.GET("/api/broadcast/debug/scheduled");
  await api.GET("/api/broadcast/prices");
  await api.GET("/api/broadcast/recipient-lists", { params: { query: { status: "ready" } } });
  await api.GET("/api/broadcast/recipient-lists/{id}/entries", { params: { path: { id: things.listId } } });
  await api.GET("/api/broadcast/recipient-lists/{id}/errors", {
    params: { path: { id: things.listId }, query: { format: "json" } },
  });
  await api.GET("/api/broadcast/templates", { params: { query: { category: "MARKETING" } } });
  await api.GET("/api/changes");
  await api.GET("/api/conversations", {
    params: { query: { status: ["open", "pending"], priority: ["none"], sort: "waiting", counts: true } },
  });
  await api.GET("/api/conversations/{id}/events", { params: conversation });
  await api.GET("/api/conversations/{id}/labels", { params: conversation });
  await api.GET("/api/conversations/{id}/messages", { params: { ...conversation, query: { limit: 5 } } });
  await api.GET("/api/conversations/{id}/notes", { params: conversation });
  await api.GET("/api/crm/contacts", { params: { query: { sort: "name", owner: "none" } } });
  await api.GET("/api/crm/contacts/duplicates");
  await api.GET("/api/crm/contacts/import");
  await api.GET("/api/crm/contacts/{id}/consents", { params: id });
  await api.GET("/api/crm/contacts/{id}/notes", { params: id });
  await api.GET("/api/crm/contacts/{id}/timeline", { params: id });
  await api.GET("/api/crm/fields");
  await api.GET("/api/crm/labels");
  await api.GET("/api/crm/segments", { params: { query: { counts: true } } });
  await api.GET("/api/modules");
  await api.GET("/api/quick-replies", { params: { query: { scope: "all", sort: "newest" } } });
  await api.GET("/api/rbac/permissions");
  await api.GET("/api/rbac/roles");
  await api.GET("/api/rbac/templates");
  await api.GET("/api/whatsapp/media/published", { params: { query: { kind: "document" } } });
  await api.GET("/api/whatsapp/sessions", { params: { query: { refresh: "false" } } });

  // What is created
  await api.POST("/api/agents", {
    body: { email: `${unique}@example.test`, display_name: "Putri", role_ids: [things.roleId] },
  });
  await api.POST("/api/api-keys", { body: { name: `Toko ${unique}`, role_id: things.roleId } });
  await api.POST("/api/broadcast/campaigns", {
    body: {
      name: `Promo ${unique}`,
      template_id: things.templateId,
      draft: true,
      recipients: ["1", "2"].map((last) => ({ phone_number: `+62812${things.phone}${last}`, variables: ["Ani"] })),
    },
  });
  await api.POST("/api/broadcast/recipient-lists", {
    body: { name: `Daftar ${unique}`, recipients: [{ phone_number: `+62812${things.phone}3`, variables: { city: "Solo" } }] },
  });
  await api.POST("/api/broadcast/recipient-lists/uploads");
  await api.POST("/api/broadcast/templates", {
    body: { name: `order_${unique}`, language: "id", category: "UTILITY", content: "Halo {{1}}!", variables: ["Rina"] },
  });
  await api.POST("/api/conversations/{id}/messages", {
    params: conversation,
    body: { type: "text", text: { body: "Halo!" } },
  });
  await api.POST("/api/conversations/{id}/notes", { params: conversation, body: { content: "Tanya gudang." } });
  await api.POST("/api/crm/contacts", { body: { phone_number: `+62813${things.phone}4`, name: "Sari", tags: ["grosir"] } });
  await api.POST("/api/crm/contacts/import", {
    body: { file: `phone,name\n+62813${things.phone}5,Budi\n`, file_name: "kontak.csv", dry_run: true },
  });
  await api.PUT("/api/crm/contacts/import");
  await api.POST("/api/crm/contacts/{id}/consents", { params: id, body: { state: "opted_in", note: "Formulir" } });
  await api.POST("/api/crm/contacts/{id}/notes", { params: id, body: { content: "Hubungi setelah jam 5." } });
  await api.POST("/api/crm/fields", { body: { key: `kota_${unique}`, name: `Kota ${unique}`, type: "text" } });
  await api.POST("/api/crm/labels", { body: { name: `VIP ${unique}`, color: "#dc2626" } });
  await api.POST("/api/crm/segments", {
    body: { name: `Setia ${unique}`, filter: { field: "tags", op: "has", value: "grosir" } },
  });
  await api.POST("/api/messages/{id}/resend", { params: { path: { id: things.failedMessageId } } });
  await api.POST("/api/quick-replies", {
    body: { shortcut: `halo-${unique}`, title: "Sapaan", content: "Halo {{contact.name}}!", scope: "shared" },
  });
  await api.POST("/api/rbac/roles", {
    body: { name: `Kasir ${unique}`, level: 4, inherits: false, permissions: ["conversations.view"] },
  });
  await api.POST("/api/rbac/templates", {
    body: { key: `kasir_${unique}`, name: `Kasir ${unique}`, permissions: ["conversations.view"] },
  });
  await newcomer.POST("/api/tenant", { body: { name: `Kopi ${unique}`, slug: `kopi-${unique}` } });
  const form = new FormData();
  form.append("file", new Blob(["Katalog"], { type: "text/plain" }), "katalog.txt");
  await api.POST("/api/whatsapp/media", { body: { file: "Katalog" }, bodySerializer: () => form });
  await api.POST("/api/whatsapp/media/published", { body: { file: "Katalog" }, bodySerializer: () => form });
  await api.POST("/api/whatsapp/messages", {
    body: { contact_id: things.otherContactId, type: "text", text: { body: "Halo!" } },
  });
  await api.POST("/api/whatsapp/sessions", { body: { ...things.number, name: `Cabang ${unique}` } });
}
