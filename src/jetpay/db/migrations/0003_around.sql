-- The payee's sessions and counters, webhooks, due work.

-- Found by digest: the cookie names no company.
create table payee_session (
    digest bytea primary key check (length(digest) = 32),
    company_id uuid not null,
    credit_id uuid not null,
    link_version smallint not null,
    gate text not null,
    read_only boolean not null default false,
    created_at timestamptz not null,
    seen_at timestamptz not null,
    ended_at timestamptz,
    foreign key (company_id, credit_id) references credit
);
create index payee_session_credit on payee_session (company_id, credit_id);

create table payee_draft (
    company_id uuid not null,
    session_digest bytea not null references payee_session on delete cascade,
    draft_id uuid not null,
    revision int not null,
    attempt smallint not null,
    details bytea not null,
    created_at timestamptz not null,
    primary key (company_id, session_digest)
);

-- Made by the first answer, so that creating a credit costs nothing.
create table link_gate (
    company_id uuid not null,
    credit_id uuid not null,
    link_version smallint not null,
    wrong smallint not null default 0,
    pending smallint not null default 0,
    pending_since timestamptz,
    answered_at timestamptz,
    locked_at timestamptz,
    unlocks smallint not null default 0,
    late_wrong smallint not null default 0,
    late_since timestamptz,
    primary key (company_id, credit_id, link_version),
    foreign key (company_id, credit_id) references credit
);

-- Belongs to a client's network, not to a company.
create table network_limit (
    network text not null,
    kind text not null,
    window_start timestamptz not null,
    hits int not null,
    primary key (network, kind, window_start)
);

create sequence webhook_number as int;
create table webhook (
    company_id uuid not null references company,
    webhook_id uuid not null,
    number int not null unique,
    callback_url text not null,
    api_key bytea,
    signing_secret bytea not null,
    audience text,
    max_batch_size smallint not null check (max_batch_size between 1 and 100),
    max_wait_seconds int not null check (max_wait_seconds between 0 and 3600),
    state text not null default 'active' check (state in ('active', 'failed')),
    start_after bigint not null,
    last_sent_event_id bigint,
    not_before timestamptz,
    failures int not null default 0,
    failing_since timestamptz,
    -- After a failure the same batch goes again: it ends with this event.
    batch_through bigint,
    -- Somebody asked for what waits now, whatever max_wait_seconds says.
    flush boolean not null default false,
    lease_until timestamptz,
    lease_token uuid,
    created_at timestamptz not null,
    deleted_at timestamptz,
    primary key (company_id, webhook_id)
);
create unique index webhook_callback_url on webhook (company_id, callback_url)
    where deleted_at is null;

create table webhook_attempt (
    company_id uuid not null,
    webhook_id uuid not null,
    attempt_id uuid not null,
    batch_id uuid not null,
    first_event_id bigint not null,
    last_event_id bigint not null,
    at timestamptz not null,
    duration_ms int not null,
    status int,
    error text,
    primary key (company_id, webhook_id, attempt_id),
    foreign key (company_id, webhook_id) references webhook
);

-- Everything that must happen later, by one claiming query. due_at is real time: turning a
-- sandbox company's clock moves its rows.
create table due (
    company_id uuid not null,
    kind text not null,
    subject_id uuid not null,
    due_at timestamptz not null,
    lease_until timestamptz,
    lease_token uuid,
    attempts int not null default 0,
    primary key (company_id, kind, subject_id)
);
create index due_at on due (due_at);

-- Who works on all this; `jetpay check` asks when somebody was last seen.
create table worker_heartbeat (
    worker_id uuid primary key,
    seen_at timestamptz not null
);

-- The books of the simulated bank: which files it has got.
create table sandbox_bank_file (
    company_id uuid not null,
    bank_file_id uuid not null,
    sha256 bytea not null check (length(sha256) = 32),
    received_at timestamptz not null,
    primary key (company_id, bank_file_id),
    foreign key (company_id, bank_file_id) references bank_file
);
