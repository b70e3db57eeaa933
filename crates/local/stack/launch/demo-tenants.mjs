// Who and what is in the local database from the start.

const PASSWORD = "demo-password-1";

/** @typedef {{ email: string, name: string, role: "super_admin" | "admin" | "manager" | "agent" }} Person */
/** @typedef {{ id: string, name: string, slug: string, number: { phone_number_id: string, business_account_id: string, display_phone_number: string }, people: Person[], owner: Person }} Tenant */

/** @type {Tenant[]} */
export const TENANTS = [
  {
    id: "00000000-0000-0000-0000-000000000001",
    name: "Kopi Senja",
    slug: "kopi-senja",
    number: {
      phone_number_id: "555000000000001",
      business_account_id: "555100000000001",
      display_phone_number: "+62 811-1000-0001",
    },
    people: [
      { email: "admin@kopi.test", name: "Sari Wulandari", role: "admin" },
      { email: "manager@kopi.test", name: "Budi Santoso", role: "manager" },
      { email: "agent1@kopi.test", name: "Putri Lestari", role: "agent" },
      { email: "agent2@kopi.test", name: "Agus Prasetyo", role: "agent" },
    ],
    owner: { email: "owner@kopi.test", name: "Ratna Dewi", role: "super_admin" },
  },
  {
    id: "00000000-0000-0000-0000-000000000002",
    name: "Toko Melati",
    slug: "toko-melati",
    number: {
      phone_number_id: "555000000000002",
      business_account_id: "555100000000002",
      display_phone_number: "+62 811-1000-0002",
    },
    people: [{ email: "admin@toko.test", name: "Dewi Anggraini", role: "admin" }],
    owner: { email: "owner@toko.test", name: "Hendra Wijaya", role: "super_admin" },
  },
];

/** Everybody with a log-in, the owners last. */
export const PEOPLE = [
  ...TENANTS.flatMap((tenant) => tenant.people.map((person) => ({ ...person, tenant_id: tenant.id }))),
  ...TENANTS.map((tenant) => ({ ...tenant.owner, tenant_id: tenant.id })),
];

/** The demo log-ins as stack.json lists them. */
export const USERS = PEOPLE.map(({ email, role, tenant_id }) => ({ email, password: PASSWORD, role, tenant_id }));

/** Approved templates, in the shape of Meta's API; the simulator knows them for both numbers. */
export const TEMPLATES = [
  {
    name: "promo_akhir_tahun",
    language: "id",
    category: "MARKETING",
    components: [
      {
        type: "BODY",
        text: "Halo {{1}}, nikmati diskon 20% untuk semua menu kopi sampai akhir tahun. Tunjukkan pesan ini di kasir ya!",
        example: { body_text: [["Rina"]] },
      },
      { type: "FOOTER", text: "Balas STOP untuk berhenti" },
    ],
  },
  {
    name: "order_ready",
    language: "en",
    category: "UTILITY",
    components: [
      {
        type: "BODY",
        text: "Hi {{1}}, your order {{2}} is ready for pickup.",
        example: { body_text: [["Rina", "KS-1042"]] },
      },
    ],
  },
];

/** @param {Tenant} tenant @param {number} place of the template in TEMPLATES */
export const templateId = (tenant, place) => `${tenant.number.business_account_id}${place + 1}`;

/**
 * Conversations of the first tenant; `minutes` before now. A message without `by` is the customer's.
 * @type {{ from: string, name: string, messages: { minutes: number, text: string, by?: string }[], assigned: string | null }[]}
 */
export const CONVERSATIONS = [
  {
    from: "6281310000101",
    name: "Rina Kusuma",
    messages: [
      { minutes: 190, text: "Selamat siang, apakah masih ada promo kopi susu gula aren?" },
      { minutes: 186, text: "Siang Kak Rina! Masih ada sampai hari Minggu, beli 2 gratis 1.", by: "agent1@kopi.test" },
      { minutes: 184, text: "Wah mantap, nanti sore saya mampir. Terima kasih!" },
    ],
    assigned: "agent1@kopi.test",
  },
  {
    from: "6281310000102",
    name: "Andi Saputra",
    messages: [
      { minutes: 75, text: "Min, pesanan saya nomor KS-1042 sudah siap?" },
      { minutes: 70, text: "Sebentar ya Kak, saya cek dulu.", by: "agent2@kopi.test" },
    ],
    assigned: "agent2@kopi.test",
  },
  {
    from: "6281310000103",
    name: "Maya Permata",
    messages: [{ minutes: 12, text: "Halo, bisa pesan kue ulang tahun untuk besok pagi?" }],
    assigned: null,
  },
];
