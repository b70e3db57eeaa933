// A very large tenant, written directly into the tables, to see and measure the cost of many rows. Triggers are
// disabled during the import: nothing is broadcast, sent or audited.

/** @typedef {{ contacts: number, conversations: number, messages: number }} Sizes */

/** @type {Sizes} */
export const LARGE = { contacts: 200_000, conversations: 50_000, messages: 1_000_000 };

const GIVEN =
  "Adi,Agus,Ani,Ayu,Bagas,Bambang,Bayu,Budi,Citra,Dedi,Dewi,Dian,Eka,Endang,Fajar,Fitri,Galih,Hadi,Hana,Indah,Intan,Joko,Kartika,Lestari,Made,Maya,Nisa,Nyoman,Putri,Putu,Rahmat,Ratna,Rina,Rizki,Sari,Siti,Slamet,Sri,Tono,Tri,Wahyu,Wati,Wayan,Wulan,Yanti,Yusuf,Zainal,José,Zoë,Søren".split(
    ",",
  );
const FAMILY =
  "Santoso,Wijaya,Susanto,Hidayat,Kusuma,Saputra,Setiawan,Gunawan,Halim,Hartono,Iskandar,Kurniawan,Lubis,Nasution,Nugroho,Pratama,Purnama,Rahayu,Siregar,Situmorang,Suharto,Sutanto,Suryadi,Tanjung,Utami,Wibowo,Yulianto,Müller,García,Nguyễn".split(
    ",",
  );
const WORDS =
  "halo,pesanan,kapan,dikirim,harga,stok,warna,ukuran,alamat,ongkir,transfer,sudah,belum,terima,kasih,mohon,bantuan,barang,rusak,retur,garansi,promo,diskon,besok,hari,ini,toko,buka,jam,berapa,bisa,cod,resi,nomor,invoice,lunas,kirim,ulang,cek,admin,kak,baik,tolong,foto,katalog,merah,biru,hitam,putih,order,delivery,please,thanks,refund,size,price,address,payment,tomorrow,today".split(
    ",",
  );
const TAGS = ["vip", "grosir", "reseller", "baru", "jakarta", "surabaya", "bandung", "langganan"];

/** A pseudo-random number, 0 or greater, that is the same in each run. @param {string} n @param {number} salt */
const chance = (n, salt) => `(hashint8extended(${n}::bigint, ${salt}) & 2147483647)`;
/** An element of a list. @param {string} list a parameter of type text[] @param {string} n @param {number} salt */
const oneOf = (list, n, salt) => `(${list})[1 + ${chance(n, salt)} % cardinality(${list})]`;

/**
 * Fills the tenant. Text indexes are dropped first and rebuilt at the end, because that is faster.
 * @param {import("postgres").Sql} sql the superuser's, on one connection
 * @param {{ tenant: string, session: string, sizes?: Sizes, onStep?: (step: string) => void }} options an empty tenant and one of its numbers
 */
export async function fillTenant(sql, { tenant, session, sizes = LARGE, onStep = () => {} }) {
  const textIndexes = await sql`
    select c.oid::regclass::text as name, pg_get_indexdef(c.oid) as definition
    from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid in ('public.messages'::regclass, 'public.contacts'::regclass) and pg_get_indexdef(c.oid) like '%USING gin%'`;
  for (const { name } of textIndexes) await sql.unsafe(`drop index ${name}`);
  await sql`set session_replication_role = replica`;
  try {
    onStep(`${sizes.contacts} contacts`);
    await contacts(sql, tenant, sizes);
    onStep(`${sizes.conversations} conversations`);
    await conversations(sql, tenant, session, sizes);
    onStep(`${sizes.messages} messages`);
    await messages(sql, tenant, session, sizes);
  } finally {
    await sql`set session_replication_role = default`;
    onStep("text indexes");
    await sql`set maintenance_work_mem = '512MB'`;
    for (const { definition } of textIndexes) await sql.unsafe(definition);
    await sql`reset maintenance_work_mem`;
  }
  onStep("statistics");
  await sql`vacuum analyze public.contacts, public.conversations, public.messages, public.contact_labels, public.conversation_labels`;
}

/** @param {import("postgres").Sql} sql @param {string} tenant @param {Sizes} sizes */
async function contacts(sql, tenant, { contacts: count }) {
  await sql.unsafe(
    `
    insert into public.contacts (tenant_id, wa_id, profile_name, name, email, tags, custom_fields, marketing_opted_out_at, created_at, updated_at)
    select
      $1, '62' || (81000000000 + n * 37), ${oneOf("$2::text[]", "n", 1)} || ' ' || ${oneOf("$3::text[]", "n", 2)},
      case when n % 3 = 0 then ${oneOf("$2::text[]", "n", 1)} || ' ' || ${oneOf("$3::text[]", "n", 2)} || ' ' || n end,
      case when n % 4 = 0 then 'pelanggan' || n || '@contoh.test' end,
      case when n % 5 = 0 then array[${oneOf("$4::text[]", "n", 3)}] else '{}' end,
      case when n % 10 = 0 then jsonb_build_object('points', ${chance("n", 4)} % 1000) else '{}' end,
      case when n % 50 = 0 then now() - interval '5 days' end,
      now() - make_interval(mins => n), now() - make_interval(mins => n)
    from generate_series(1, $5::int) n`,
    [tenant, GIVEN, FAMILY, TAGS, count],
  );
  await sql.unsafe(
    `
    insert into public.labels (tenant_id, name) select $1, 'Label ' || n from generate_series(1, 10) n`,
    [tenant],
  );
  await sql.unsafe(
    `
    insert into public.contact_labels (contact_id, label_id, tenant_id)
    select c.id, l.id, $1
    from (select id, row_number() over (order by created_at) as n from public.contacts where tenant_id = $1) c
    join (select id, row_number() over (order by name) as n from public.labels where tenant_id = $1) l on l.n = 1 + c.n % 100`,
    [tenant],
  );
}

/** @param {import("postgres").Sql} sql @param {string} tenant @param {string} session @param {Sizes} sizes */
async function conversations(sql, tenant, session, { conversations: count }) {
  await sql.unsafe(
    `
    insert into public.conversations (
      tenant_id, session_id, contact_id, status, assigned_to, unread_count, last_message_at, last_message_preview,
      last_message_direction, last_inbound_at, window_expires_at, waiting_since, unseen_since, created_at, updated_at
    )
    select
      $1, $2, c.id, s.status, case when c.n % 4 <> 0 then (a.people)[1 + c.n % greatest(cardinality(a.people), 1)] end,
      case when c.n % 8 = 1 and s.status = 'open' then 1 + c.n % 5 else 0 end, t.at, 'Halo kak, pesanan saya?',
      case when c.n % 2 = 1 then 'inbound' else 'outbound' end, t.at, t.at + interval '24 hours',
      case when c.n % 2 = 1 and s.status <> 'resolved' then t.at end,
      case when c.n % 2 = 1 and s.status <> 'resolved' then t.at end, t.at - interval '60 days', t.at
    from (select id, row_number() over (order by created_at desc) as n from public.contacts where tenant_id = $1 limit $3) c
    cross join (select array(select user_id from public.profiles where tenant_id = $1 order by user_id) as people) a
    cross join lateral (select now() - make_interval(mins => (c.n * 3)::int) as at) t
    cross join lateral (select case when c.n % 10 < 3 then 'open' when c.n % 10 = 3 then 'pending' else 'resolved' end as status) s`,
    [tenant, session, count],
  );
  await sql.unsafe(
    `
    insert into public.conversation_labels (conversation_id, label_id, tenant_id)
    select v.id, l.id, $1
    from (select id, row_number() over (order by last_message_at) as n from public.conversations where tenant_id = $1) v
    join (select id, row_number() over (order by name) as n from public.labels where tenant_id = $1) l on l.n = 1 + v.n % 40`,
    [tenant],
  );
}

/** @param {import("postgres").Sql} sql @param {string} tenant @param {string} session @param {Sizes} sizes */
async function messages(sql, tenant, session, { conversations: threads, messages: count }) {
  const each = Math.ceil(count / threads);
  const words = (/** @type {string} */ n) =>
    Array.from({ length: 6 }, (_, k) => oneOf("$3::text[]", n, 10 + k)).join(" || ' ' || ");
  await sql.unsafe(
    `
    insert into public.messages (
      tenant_id, session_id, conversation_id, direction, type, status, content, payload, whatsapp_message_id, occurred_at,
      sent_at, delivered_at, read_at, created_at
    )
    select
      $1, $2, v.id, d.direction, 'text', case d.direction when 'inbound' then 'received' else 'read' end,
      case when m.n % 1000 = 7 then 'nomor resi langka' || m.n || ' ' else '' end || ${words("m.n")}, '{}', 'wamid.large.' || m.n, t.at,
      case d.direction when 'outbound' then t.at end, case d.direction when 'outbound' then t.at end,
      case d.direction when 'outbound' then t.at end, t.at
    from (
      select v.*, row_number() over (order by v.last_message_at) as n from public.conversations v where v.tenant_id = $1
    ) v
    cross join lateral (select (v.n - 1) * $4::int + k as n, k from generate_series(1, $4::int) k) m
    cross join lateral (
      select case when (m.k % 2 = 0) = (v.last_message_direction = 'inbound') then 'inbound' else 'outbound' end as direction
    ) d
    cross join lateral (select v.last_message_at - make_interval(mins => (($4::int - m.k) * 211)::int) as at) t
    where m.n <= $5`,
    [tenant, session, WORDS, each, count],
  );
}
