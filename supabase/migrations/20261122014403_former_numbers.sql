-- Who was merged away is the same person still: what they said of marketing holds for the number they had, and pairs that
-- may be one person are found in a large tenant too.

create index former_identities_phone_idx on private.former_identities (tenant_id, phone_key, until) where phone_key is not null;

create or replace function private.leave_out(claimed uuid[], campaigns uuid[]) returns uuid[]
language plpgsql security definer set search_path = '' as $$
declare
  skipped uuid[];
  group_of record;
begin
  for group_of in
    select f.reason, array_agg(f.id) as ids
    from (
      select r.id, case
        -- what stands in the place of a number that was erased: see private.erase_contact
        when r.wa_id like '0%' then 'erased'
        when k.blocked_at is not null then 'blocked'
        when k.marketing_opted_out_at is not null and t.category = 'MARKETING' then 'opted_out'
      end as reason
      from public.broadcast_recipients r
      join public.broadcast_campaigns c on c.id = r.campaign_id
      join public.broadcast_templates t on t.id = c.template_id
      left join lateral (
        select private.phone_key(r.wa_id) as phone_key
      ) n on true
      left join lateral (
        select p.blocked_at, p.marketing_opted_out_at from public.contacts p
        where p.tenant_id = r.tenant_id and p.phone_key = n.phone_key
        union all
        -- a number that nobody has any more: who had it last has said what they said
        select p.blocked_at, p.marketing_opted_out_at
        from (
          select f.contact_id from private.former_identities f
          where f.tenant_id = r.tenant_id and f.phone_key = n.phone_key
          order by f.until desc
          limit 1
        ) f
        join public.contacts p on p.id = f.contact_id
        limit 1
      ) k on true
      where r.id = any (claimed)
    ) f
    where f.reason is not null
    group by f.reason
  loop
    perform private.skip_recipients(group_of.ids, group_of.reason);
    skipped := skipped || group_of.ids;
  end loop;
  if skipped is null then
    return claimed;
  end if;
  perform private.complete_campaigns(campaigns);
  return (select array_agg(c.id) from unnest(claimed) as c (id) where c.id <> all (skipped));
end;
$$;

-- Pairs of contacts that may be one person, the surest first within a page of contacts by when they were added: the same
-- address; the same last digits; the same name, where both are so called by the tenant. `after` is the contact that
-- another page ended with. Answers with {"rows": [{"contact", "other", "reasons"}], "next_cursor"}.
create or replace function public.list_contact_duplicates(page_size integer, after uuid default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  place public.contacts;
  scanned integer;
  last_seen uuid;
  pairs jsonb;
begin
  perform private.require('contacts.merge');
  perform private.require('contacts.view');
  if after is not null then
    select c.* into place from public.contacts c where c.id = list_contact_duplicates.after and c.tenant_id = tenant;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such place in this list.', detail = 'invalid_field', hint = 'cursor';
    end if;
  end if;
  with page as materialized (
    select c.* from public.contacts c
    where c.tenant_id = tenant and c.erased_at is null
      and (place.id is null or (c.created_at, c.id) < (place.created_at, place.id))
    order by c.created_at desc, c.id desc
    -- looked at in one call, however few pairs there are
    limit 2000
  ),
  found as (
    select p.id, p.created_at, o.id as other, array_agg(distinct o.reason) as reasons
    from page p
    cross join lateral (
      -- by an order that no index has: one would be read from end to end where the planner hopes for many
      (
        select c.id, 'email' as reason from public.contacts c
        where c.tenant_id = tenant and c.email is not null and lower(c.email) = lower(p.email)
          and c.erased_at is null and (c.created_at, c.id) < (p.created_at, p.id)
        order by c.id::text limit 5
      )
      union all
      (
        select c.id, 'phone_number' from public.contacts c
        where c.tenant_id = tenant and c.wa_id is not null and c.erased_at is null
          and private.phone_tail(c.wa_id) = private.phone_tail(p.wa_id) and (c.created_at, c.id) < (p.created_at, p.id)
        order by c.id::text limit 5
      )
      union all
      (
        select c.id, 'name' from public.contacts c
        where c.tenant_id = tenant and c.erased_at is null and p.name is not null and c.name is not null
          and private.contact_sort_name(c.name, c.profile_name, c.username, c.wa_id) collate "C"
            = private.contact_sort_name(p.name, p.profile_name, p.username, p.wa_id) collate "C"
          and (c.created_at, c.id) < (p.created_at, p.id)
        order by c.id::text limit 5
      )
    ) o
    group by p.id, p.created_at, o.id
    -- a name alone is borne by many: it counts where one of the two has no number, or the numbers are much alike
    having array_agg(distinct o.reason) <> '{name}' or exists (
      select 1 from public.contacts a, public.contacts b
      where a.id = p.id and b.id = o.id
        and (a.wa_id is null or b.wa_id is null or right(a.wa_id, 5) = right(b.wa_id, 5) or left(a.wa_id, char_length(a.wa_id) - 2) = left(b.wa_id, char_length(b.wa_id) - 2))
    )
  ),
  shown as (
    select f.*, row_number() over (order by f.created_at desc, f.id desc, cardinality(f.reasons) desc, f.other) as nth
    from found f
  ),
  cut as (
    -- a page ends between two contacts
    select s.* from shown s
    where s.nth <= page_size or s.id = (select l.id from shown l where l.nth = page_size)
  )
  select
    (select count(*) from page),
    case when (select count(*) from shown) > (select count(*) from cut) then (select c.id from cut c order by c.nth desc limit 1)
      else (select p.id from page p order by p.created_at, p.id limit 1) end,
    coalesce((
      select jsonb_agg(jsonb_build_object(
        'contact', private.contact_json(a), 'other', private.contact_json(b), 'reasons', c.reasons
      ) order by c.nth)
      from cut c join public.contacts a on a.id = c.id join public.contacts b on b.id = c.other
    ), '[]'),
    (select count(*) from shown) > (select count(*) from cut)
  into scanned, last_seen, pairs
  ;
  return jsonb_build_object(
    'rows', pairs,
    'next_cursor', case when scanned = 2000 or last_seen <> coalesce((
      select c.id from public.contacts c where c.tenant_id = tenant and c.erased_at is null order by c.created_at, c.id limit 1
    ), last_seen) then last_seen end
  );
end;
$$;
