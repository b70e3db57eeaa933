-- A number is found in either of its forms: WhatsApp's ids of Brazil, Mexico and Argentina differ from the numbers people write
-- by a digit after the country code (as private.phone_key knows), and +62 is often followed by the 0 used at home.

-- The digits of a whole number as a pattern for both its forms; others as they are.
create function private.written_number(digits text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select case
    when digits ~ '^55[1-9][0-9]9?[6-9][0-9]{7}$' then left(digits, 4) || '%' || right(digits, 8)
    when digits ~ '^521?[0-9]{10}$' then '52%' || right(digits, 10)
    when digits ~ '^549?[0-9]{10}$' then '54%' || right(digits, 10)
    when digits ~ '^6208[0-9]+$' then '62' || substr(digits, 4)
    else digits
  end;
$$;
revoke execute on function private.written_number(text) from public, authenticated;
grant execute on function private.written_number(text) to service_role;

create or replace function private.search_patterns(search text) returns text[]
language sql immutable parallel safe set search_path = '' as $$
  with words as (
    select case when search ~ '^[0-9+() ./-]+$' then array[search]
      else regexp_split_to_array(trim(private.fold_text(search)), '\s+') end as list
  )
  select coalesce(array_agg(
    case
      when w ~ '^[0-9+() ./-]+$' and char_length(d.digits) >= 3 then '%' || private.written_number(d.digits) || '%'
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
