-- Texts with variables, as quick replies and automatic messages have them: {{contact.name}}, {{contact.phone_number}},
-- {{contact.email}}, {{contact.custom.<field>}}, {{agent.name}}, {{tenant.name}}.

create function private.text_variables(words text) returns text[]
language sql immutable set search_path = '' as $$
  select coalesce(array_agg(distinct m[1] order by m[1]), '{}')
  from regexp_matches(words, '\{\{\s*([^{}]*?)\s*\}\}', 'g') m;
$$;

-- Refuses variables that there are not.
create function private.check_text_variables(tenant uuid, words text, field text) returns void
language plpgsql stable set search_path = '' as $$
declare
  unknown text;
begin
  select v into unknown
  from unnest(private.text_variables(words)) v
  where v <> all ('{contact.name,contact.phone_number,contact.email,agent.name,tenant.name}') and not exists (
    select 1 from public.contact_fields f where f.tenant_id = tenant and v = 'contact.custom.' || f.key
  )
  limit 1;
  if unknown is not null then
    raise sqlstate 'PT422' using message = format('There is no variable {{%s}}.', left(unknown, 100)),
      detail = 'unknown_variable', hint = field;
  end if;
end;
$$;

create function private.variable_value(
  variable text, contact public.contacts, agent_name text, tenant_name text
) returns text
language sql immutable set search_path = '' as $$
  select nullif(trim(case
    when variable = 'contact.name' then coalesce(contact.name, contact.profile_name)
    when variable = 'contact.phone_number' then '+' || contact.wa_id
    when variable = 'contact.email' then contact.email
    when variable = 'agent.name' then agent_name
    when variable = 'tenant.name' then tenant_name
    when variable like 'contact.custom.%' then contact.custom_fields ->> substr(variable, 16)
  end), '');
$$;

-- A text with its variables filled in, each once: values that look like variables stay as they are. What has no value is
-- left empty, and named in `missing`.
create function private.fill_text(
  words text, contact public.contacts, agent_name text, tenant_name text, out filled text, out missing text[]
)
language sql immutable set search_path = '' as $$
  with parts as (
    select p.part, p.nth from regexp_split_to_table(words, '\{\{\s*[^{}]*?\s*\}\}') with ordinality p (part, nth)
  ),
  slots as (
    select m.slot[1] as variable, private.variable_value(m.slot[1], contact, agent_name, tenant_name) as value, m.nth
    from regexp_matches(words, '\{\{\s*([^{}]*?)\s*\}\}', 'g') with ordinality m (slot, nth)
  )
  select
    string_agg(p.part || coalesce(s.value, ''), '' order by p.nth),
    coalesce(array_agg(distinct s.variable order by s.variable) filter (where s.variable is not null and s.value is null), '{}')
  from parts p left join slots s using (nth);
$$;

revoke execute on function private.text_variables(text), private.check_text_variables(uuid, text, text),
  private.variable_value(text, public.contacts, text, text), private.fill_text(text, public.contacts, text, text)
  from public;
