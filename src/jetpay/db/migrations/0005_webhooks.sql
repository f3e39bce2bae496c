-- Webhooks: the proof of a live company's address, a second secret, replays, kept answers.

alter table webhook
    drop column flush,
    -- Scheme, host, port and path that answered a test; live companies alone prove theirs.
    add column proved_address text,
    -- Signs beside the new one until then.
    add column previous_secret bytea,
    add column previous_until timestamptz,
    add check ((previous_secret is null) = (previous_until is null)),
    -- So many events the endpoint takes at once, as far as its 413s tell.
    add column fits smallint check (fits between 1 and 100),
    -- Events up to this one are older than the registration that asked for them.
    add column history_through bigint;
-- Each call changes its webhook's row twice, in place while there is room.
alter table webhook set (fillfactor = 50);
create index webhook_proved_address on webhook (proved_address) where proved_address is not null;

alter table webhook_attempt
    add column kind text not null default 'live' check (kind in ('live', 'replay', 'test')),
    add column answer bytea,
    alter column first_event_id drop not null,
    alter column last_event_id drop not null,
    add check ((kind = 'test') = (first_event_id is null and last_event_id is null));

-- One at a time per company; a row goes when its last event was taken.
create table webhook_replay (
    company_id uuid primary key references company,
    webhook_id uuid not null,
    replay_id uuid not null,
    first_event_id bigint not null,
    last_event_id bigint not null,
    sent_through bigint not null,
    batch_through bigint,
    failures int not null default 0,
    failing_since timestamptz,
    not_before timestamptz,
    created_at timestamptz not null,
    foreign key (company_id, webhook_id) references webhook,
    check (first_event_id <= last_event_id)
);

-- When each webhook's next call is due: of its test, its next batch, its replay. Waiting is counted
-- on the real clock: an event's time less what its company's clock is ahead now is never later than
-- when it really happened, so a turned clock delays nothing. A replay pauses while the live batch
-- fails.
create view webhook_due as
select w.company_id, w.webhook_id, w.lease_until, co.sandbox, co.allowed_networks,
       c.last_event_id, d.is_unproved, d.live_at, d.replay_at,
       case when d.is_unproved then coalesce(w.not_before, '-infinity')
            else least(d.live_at, d.replay_at) end as due_at
from webhook w
join company co on co.company_id = w.company_id
join event_counter c on c.company_id = w.company_id
left join webhook_replay r on r.company_id = w.company_id and r.webhook_id = w.webhook_id
cross join lateral (
  select c.last_event_id - coalesce(w.last_sent_event_id, w.start_after) as events) waiting
cross join lateral (
  select
    not co.sandbox and w.proved_address is null as is_unproved,
    case
      when waiting.events <= 0 then null
      when w.batch_through is not null or w.max_wait_seconds = 0
        or waiting.events >= least(w.max_batch_size, w.fits)
        then coalesce(w.not_before, '-infinity')
      else greatest(w.not_before, (
        select e.created_at - co.clock_offset + make_interval(secs => w.max_wait_seconds)
        from event e
        where e.company_id = w.company_id
          and e.event_id > coalesce(w.last_sent_event_id, w.start_after)
        order by e.event_id limit 1))
    end as live_at,
    case when r.replay_id is not null and w.failures = 0
         then coalesce(r.not_before, '-infinity') end as replay_at) d
where w.state = 'active' and w.deleted_at is null;
