-- The same rows as one PUT /credit writes, as one transaction each, on one company.
with n as (
  update event_counter set last_event_id = last_event_id + 1
  where company_id = :company::uuid returning last_event_id),
m as (
  insert into credit (company_id, credit_id, state, amount, currency, statement, note,
    from_bank_account_id, contact_id, question_id, gate_email, language, link_key_id, by_link,
    repairs_left, idempotency_key, fingerprint, made_by, created_at, expires_at)
  select :company::uuid, uuidv7(), 'requested', 10000, 'CAD', 'Payment 4711', 'Internal note',
    :account::uuid, :contact::uuid, :question::uuid, 'robin@example.com', 'en', 1, true, 3,
    gen_random_uuid()::text, decode(repeat('00', 105), 'hex'), :token::uuid, now(),
    now() + interval '30 days'
  returning company_id, credit_id, made_by, created_at)
insert into event (company_id, event_id, created_at, type, subject_id, to_state, because,
  actor_kind, actor_id)
select m.company_id, n.last_event_id, m.created_at, 'transactions.credits.created', m.credit_id,
  'requested', 'created', 'token', m.made_by
from m, n;
