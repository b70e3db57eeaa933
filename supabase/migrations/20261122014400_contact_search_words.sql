-- A search without a word in it, of accents alone, finds nobody.
create or replace function private.search_patterns(search text) returns text[]
language sql immutable parallel safe set search_path = '' as $$
  with words as (
    select case when search ~ '^[0-9+() ./-]+$' then array[search]
      else regexp_split_to_array(trim(private.fold_text(search)), '\s+') end as list
  )
  select coalesce(array_agg(
    case
      when w ~ '^[0-9+() ./-]+$' and char_length(d.digits) >= 3 then '%' || d.digits || '%'
      when char_length(w) < 3 then '% ' || e.escaped || '%'
      else '%' || e.escaped || '%'
    end
  ), case when trim(search) = '' then '{}' else array['%' || search || '%'] end)
  from words, unnest(words.list) w
  cross join lateral (
    select coalesce(nullif(ltrim(regexp_replace(w, '[^0-9]', '', 'g'), '0'), ''), regexp_replace(w, '[^0-9]', '', 'g')) as digits
  ) d
  cross join lateral (select regexp_replace(w, '([\\%_])', '\\\1', 'g') as escaped) e
  where w <> '';
$$;
