-- What WhatsApp's own opt-out button says is a word about marketing, too. Tenants that have changed their words keep them.
update public.tenants t
set opt_out_keywords = opt_out_keywords || '{STOP PROMOTIONS,STOP PROMOSI,HENTIKAN PROMOSI}'::text[]
where opt_out_keywords = '{STOP,BERHENTI,UNSUBSCRIBE,BATAL BERLANGGANAN,STOP PROMO,OPT OUT}'::text[];
alter table public.tenants alter column opt_out_keywords
  set default '{STOP,BERHENTI,UNSUBSCRIBE,BATAL BERLANGGANAN,STOP PROMO,OPT OUT,STOP PROMOTIONS,STOP PROMOSI,HENTIKAN PROMOSI}';
