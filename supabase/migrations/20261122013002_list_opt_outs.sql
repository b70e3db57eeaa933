-- Who has opted out is found by their number in whatever form the list has it.

-- Who on a list wants no marketing: their lines. Security definer: whoever reads a list is told so without the
-- right to every contact.
create or replace function private.opted_out_lines(list uuid, lines integer[] default null) returns setof integer
language sql stable security definer set search_path = '' as $$
  select e.line
  from public.recipient_list_entries e
  join public.contacts c on c.tenant_id = e.tenant_id and c.phone_key = private.phone_key(e.wa_id)
  where e.list_id = list and e.tenant_id = (select private.tenant_id())
    and (select private.has_permission('recipient_lists.view'))
    and (lines is null or e.line = any (lines))
    and private.opted_out(c);
$$;

-- A list's people for a campaign, in their order: variables by name, and as a list in the order of the columns. Empty
-- for a list that is not ready. For functions that have checked whose list it is.
create or replace function private.recipient_list_rows(list uuid)
returns table (line integer, wa_id text, name text, variables jsonb, ordered jsonb, opted_out boolean)
language sql stable set search_path = '' as $$
  select
    e.line, e.wa_id, e.name, e.variables,
    (
      select coalesce(jsonb_agg(coalesce(e.variables -> k.name, '""') order by k.place), '[]')
      from unnest(l.columns) with ordinality as k (name, place)
    ),
    c.id is not null and private.opted_out(c)
  from public.recipient_lists l
  join public.recipient_list_entries e on e.list_id = l.id and e.tenant_id = l.tenant_id
  left join public.contacts c on c.tenant_id = e.tenant_id and c.phone_key = private.phone_key(e.wa_id)
  where l.id = list and l.status = 'ready'
  order by e.line;
$$;
