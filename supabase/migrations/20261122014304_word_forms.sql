-- Words of Indonesian are made by what is put before them: who looks for "kirim" looks for "dikirim" and "mengirimkan" too.

-- The words, and what is left of each without what may stand before it (me-, pe-, ber-, ter-, per-, di-, ke-, se-, with the
-- first sound that me- and pe- swallow); of "INV2931" the number as well. A search looks for beginnings: what comes after
-- needs no care. What is no word at all does no harm: nobody looks for it.
create function private.word_forms(words text[]) returns text[]
language plpgsql immutable strict parallel safe set search_path = '' as $$
declare
  forms text[] := words;
  word text;
  rest text;
  place integer := 1;
  deepest integer := cardinality(words);
begin
  if array_to_string(words, ' ') ~ '[a-z][0-9]{3}' then
    forms := forms || array(select substring(w from '[a-z]([0-9]{3,})') from unnest(words) w where w ~ '[a-z][0-9]{3}');
  end if;
  -- no patterns within the loop: it runs for each word of each message. One may stand before another, as in
  -- "memperbaiki" and "keterlambatan": what is found is looked at once more.
  for depth in 1..2 loop
    while place <= deepest loop
      word := forms[place];
      place := place + 1;
      continue when left(word, 2) <> all ('{me,pe,be,te,di,ke,se}') or char_length(word) < 6;
      if left(word, 2) in ('di', 'ke', 'se') then
        forms := forms || substr(word, 3);
      elsif left(word, 3) in ('ber', 'ter', 'per') then
        if char_length(word) > 6 then
          forms := forms || substr(word, 4);
        end if;
      end if;
      if left(word, 2) in ('me', 'pe') then
        rest := substr(word, 3);
        forms := forms || rest;
        if left(rest, 2) = 'ng' then
          forms := forms || substr(rest, 3);
          if substr(rest, 3, 1) in ('a', 'i', 'u', 'e', 'o') then
            forms := forms || ('k' || substr(rest, 3));
          end if;
        elsif left(rest, 2) = 'ny' then
          forms := forms || ('s' || substr(rest, 3));
        elsif left(rest, 1) in ('m', 'n') then
          forms := forms || substr(rest, 2);
          if substr(rest, 2, 1) in ('a', 'i', 'u', 'e', 'o') then
            forms := forms || (case left(rest, 1) when 'm' then 'p' else 't' end || substr(rest, 2));
          end if;
        end if;
      end if;
    end loop;
    exit when cardinality(forms) = deepest;
    deepest := cardinality(forms);
  end loop;
  return forms;
end;
$$;

drop index public.messages_words_idx;
-- It plans what it does once, not for each message.
create or replace function private.message_words(tenant uuid, moment timestamptz, content text) returns tsvector
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return array_to_tsvector(
    private.word_forms(private.search_words(coalesce(content, ''))) || ('#' || tenant || ':' || private.month_of(moment))
  );
end;
$$;
create index messages_words_idx on public.messages
  using gin (private.message_words(tenant_id, occurred_at, content))
  where content is not null and not metadata ? 'broadcast_campaign_id' and target_message_id is null;

revoke execute on function private.word_forms(text[]) from public;
grant execute on function private.word_forms(text[]) to authenticated, service_role;
