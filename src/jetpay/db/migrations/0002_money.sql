-- Credits, payment attempts, events, ledger and bank files.

create table event_counter (
    company_id uuid primary key references company,
    last_event_id bigint not null default 0
) with (fillfactor = 50);

-- History and outbox in one table; never changed. Numbered per company without a gap.
create table event (
    company_id uuid not null,
    event_id bigint not null check (event_id > 0),
    created_at timestamptz not null,
    type text not null,
    subject_id uuid not null,
    from_state text,
    to_state text,
    because text,
    actor_kind text not null,
    actor_id uuid,
    data jsonb,
    primary key (company_id, event_id)
);
create index event_subject on event (company_id, subject_id, event_id);

create table credit (
    company_id uuid not null,
    credit_id uuid not null,
    state text not null check (state in ('requested', 'initiated', 'processing', 'completed',
        'action_required', 'failed', 'cancelled', 'declined', 'expired')),
    amount bigint not null check (amount between 1 and 9999999999),
    currency text not null,
    statement text not null,
    note text,
    from_bank_account_id uuid not null,
    contact_id uuid not null,
    to_bank_account_id uuid,
    question_id uuid,
    gate_email text,
    language text not null,
    link_version smallint not null default 1 check (link_version > 0),
    link_key_id smallint not null,
    by_link boolean not null,
    notify boolean not null default false,
    repairs_left smallint not null check (repairs_left >= 0),
    metadata jsonb,
    external_id text,
    idempotency_key text,
    fingerprint bytea,
    made_by uuid not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    attempt smallint not null default 0,
    accepted_at timestamptz,
    ready_at timestamptz,
    held text check (held in ('awaiting_returned_funds', 'file_refused', 'withdrawn',
        'possible_duplicate')),
    filed_at timestamptz,
    completed_at timestamptz,
    returned_at timestamptz,
    fail_reason text,
    cancel_reason text,
    decline_reason text,
    possible_duplicate_of uuid,
    primary key (company_id, credit_id),
    foreign key (company_id, contact_id) references contact,
    foreign key (company_id, from_bank_account_id) references bank_account,
    foreign key (company_id, to_bank_account_id) references bank_account,
    foreign key (company_id, question_id) references security_question,
    check (by_link = (question_id is not null)),
    check (by_link or to_bank_account_id is not null),
    check (held is null or state = 'initiated'),
    check ((state in ('requested', 'expired')) <= (attempt = 0)),
    check ((state in ('initiated', 'processing', 'completed', 'action_required')) <= (attempt > 0))
) with (fillfactor = 85);
create unique index credit_idempotency_key on credit (company_id, idempotency_key)
    where idempotency_key is not null;
create unique index credit_external_id on credit (company_id, external_id)
    where external_id is not null;
create index credit_contact on credit (company_id, contact_id, credit_id);
create index credit_expires on credit (company_id, expires_at)
    where state in ('requested', 'action_required');
create index credit_ready on credit (company_id, from_bank_account_id, ready_at, credit_id)
    where state = 'initiated' and held is null;
create index credit_held on credit (company_id, credit_id) where held is not null;
create index credit_to_account on credit (company_id, to_bank_account_id)
    where to_bank_account_id is not null;

-- Second witness of the table of moves: shares no code with credits/states.py.
create function credit_state_moves_by_the_table() returns trigger language plpgsql as $$
begin
    if (old.state, new.state) not in (
        ('requested', 'initiated'), ('requested', 'cancelled'), ('requested', 'declined'),
        ('requested', 'expired'), ('initiated', 'cancelled'), ('initiated', 'action_required'),
        ('initiated', 'failed'), ('initiated', 'processing'), ('processing', 'initiated'),
        ('processing', 'action_required'), ('processing', 'failed'), ('processing', 'completed'),
        ('completed', 'action_required'), ('completed', 'failed'),
        ('action_required', 'initiated'), ('action_required', 'failed'),
        ('action_required', 'cancelled'), ('action_required', 'declined'),
        ('action_required', 'completed'))
    then
        raise exception 'a credit may not move from % to %', old.state, new.state
            using errcode = 'check_violation', constraint = 'credit_state_moves_by_the_table';
    end if;
    return new;
end $$;
create trigger credit_state_moves_by_the_table before update of state on credit
    for each row when (old.state is distinct from new.state)
    execute function credit_state_moves_by_the_table();

create function credit_money_never_changes() returns trigger language plpgsql as $$
begin
    raise exception 'amount, currency, accounts, contact and statement of a credit never change'
        using errcode = 'check_violation', constraint = 'credit_money_never_changes';
end $$;
create trigger credit_money_never_changes
    before update of amount, currency, from_bank_account_id, to_bank_account_id, contact_id,
        statement on credit
    for each row when (
        (old.amount, old.currency, old.from_bank_account_id, old.to_bank_account_id,
         old.contact_id, old.statement)
        is distinct from
        (new.amount, new.currency, new.from_bank_account_id, new.to_bank_account_id,
         new.contact_id, new.statement))
    execute function credit_money_never_changes();

create table bank_file (
    company_id uuid not null,
    bank_file_id uuid not null,
    bank_account_id uuid not null,
    rail text not null,
    state text not null check (state in ('assembling', 'sealed', 'handing_over', 'sent',
        'acknowledged', 'rejected', 'withdrawn', 'unconfirmed')),
    number int,
    currency text not null,
    cutoff_at timestamptz not null,
    value_date date not null,
    credit_count int,
    total bigint,
    size_bytes bigint,
    sha256 bytea,
    created_at timestamptz not null,
    sealed_at timestamptz,
    hand_over_at timestamptz,
    sent_at timestamptz,
    acknowledged_at timestamptz,
    overdue_at timestamptz,
    debited_at timestamptz,
    debited_amount bigint,
    primary key (company_id, bank_file_id),
    foreign key (company_id, bank_account_id) references bank_account,
    check ((debited_at is null) = (debited_amount is null)),
    check ((state in ('sealed', 'handing_over', 'sent', 'acknowledged', 'rejected', 'unconfirmed'))
        <= (number is not null and sha256 is not null and total is not null))
);
create unique index bank_file_number on bank_file (company_id, bank_account_id, number)
    where state <> 'withdrawn';
create unique index bank_file_one_assembling on bank_file (company_id, bank_account_id)
    where state = 'assembling';

create index bank_file_account on bank_file (company_id, bank_account_id, value_date);

-- Second witness of a file's moves: shares no code with bank_files/states.py.
create function bank_file_moves_by_the_table() returns trigger language plpgsql as $$
begin
    if (old.state, new.state) not in (
        ('assembling', 'sealed'), ('assembling', 'withdrawn'), ('sealed', 'withdrawn'),
        ('sealed', 'handing_over'), ('sealed', 'unconfirmed'), ('sealed', 'sent'),
        ('handing_over', 'sent'), ('handing_over', 'unconfirmed'),
        ('handing_over', 'acknowledged'), ('handing_over', 'rejected'),
        ('unconfirmed', 'sealed'), ('unconfirmed', 'sent'), ('unconfirmed', 'acknowledged'),
        ('unconfirmed', 'rejected'), ('sent', 'acknowledged'), ('sent', 'rejected'),
        ('acknowledged', 'rejected'))
    then
        raise exception 'a bank file may not move from % to %', old.state, new.state
            using errcode = 'check_violation', constraint = 'bank_file_moves_by_the_table';
    end if;
    return new;
end $$;
create trigger bank_file_moves_by_the_table before update of state on bank_file
    for each row when (old.state is distinct from new.state)
    execute function bank_file_moves_by_the_table();

create table bank_file_bytes (
    company_id uuid not null,
    bank_file_id uuid not null,
    chunk int not null,
    bytes bytea not null,
    primary key (company_id, bank_file_id, chunk),
    foreign key (company_id, bank_file_id) references bank_file
);

-- One try to move a credit's money: frozen at acceptance, one outcome.
create table payment_attempt (
    company_id uuid not null,
    credit_id uuid not null,
    attempt smallint not null check (attempt > 0),
    reference text not null check (reference ~ '^[A-Z0-9]{12}$'),
    from_bank_account_id uuid not null,
    amount bigint not null check (amount > 0),
    currency text not null,
    to_bank_account_id uuid,
    holder_name text not null,
    holder_type text not null,
    scheme text not null,
    account_type text not null,
    details bytea not null,
    account_index bytea not null,
    last3 text not null,
    accepted_at timestamptz not null,
    consent_text text,
    consent_language text,
    gate text not null,
    session_id bytea,
    client_network text,
    bank_file_id uuid,
    line int,
    outcome text check (outcome in ('withdrawn', 'rejected', 'returned')),
    outcome_at timestamptz,
    outcome_reason text,
    outcome_code text,
    refunded_at timestamptz,
    primary key (company_id, credit_id, attempt),
    unique (company_id, from_bank_account_id, reference),
    foreign key (company_id, credit_id) references credit,
    foreign key (company_id, bank_file_id) references bank_file,
    check ((outcome is null) = (outcome_at is null)),
    check ((bank_file_id is null) = (line is null))
);
create unique index payment_attempt_one_open on payment_attempt (company_id, credit_id)
    where outcome is null;
create unique index payment_attempt_line on payment_attempt (company_id, bank_file_id, line)
    where bank_file_id is not null;

-- What was frozen stays, a file and an outcome are given once. After a rotation of keys details are
-- sealed and indexed again; a newer key's number stands in bytes 3 to 6, and in byte 2.
create function payment_attempt_is_frozen() returns trigger language plpgsql as $$
begin
    if (old.reference, old.from_bank_account_id, old.to_bank_account_id, old.amount,
        old.currency, old.scheme, old.account_type,
        old.holder_name, old.holder_type, old.accepted_at, old.consent_text,
        old.consent_language, old.gate)
       is distinct from
       (new.reference, new.from_bank_account_id, new.to_bank_account_id, new.amount,
        new.currency, new.scheme, new.account_type,
        new.holder_name, new.holder_type, new.accepted_at, new.consent_text,
        new.consent_language, new.gate)
       or (old.details is distinct from new.details and not (
           length(new.details) = length(old.details)
           and substring(new.details from 3 for 4) > substring(old.details from 3 for 4)))
       or (old.account_index is distinct from new.account_index and not (
           length(new.account_index) = length(old.account_index)
           and substring(new.account_index from 2 for 1)
               > substring(old.account_index from 2 for 1)))
       or (old.bank_file_id is not null
           and (old.bank_file_id, old.line) is distinct from (new.bank_file_id, new.line))
       or (old.outcome is not null
           and (old.outcome, old.outcome_at, old.outcome_reason, old.outcome_code)
               is distinct from
               (new.outcome, new.outcome_at, new.outcome_reason, new.outcome_code))
    then
        raise exception 'a payment attempt is frozen once accepted, filed or ended'
            using errcode = 'check_violation', constraint = 'payment_attempt_is_frozen';
    end if;
    return new;
end $$;
create trigger payment_attempt_is_frozen before update on payment_attempt
    for each row execute function payment_attempt_is_frozen();

-- A line of a bank's report (or of the simulator's), kept as evidence whatever it moved.
create table bank_report_item (
    company_id uuid not null,
    item_id uuid not null,
    bank_account_id uuid not null,
    report_sha256 bytea not null,
    position int not null,
    kind text not null check (kind in ('acknowledged', 'refused', 'rejected', 'returned', 'paid')),
    bank_file_id uuid,
    reference text,
    amount bigint,
    code text,
    received_at timestamptz not null,
    result text not null check (result in ('applied', 'repeated', 'unmatched')),
    explanation text,
    primary key (company_id, item_id),
    unique (company_id, report_sha256, position),
    foreign key (company_id, bank_account_id) references bank_account
);
create index bank_report_item_unmatched on bank_report_item (company_id, item_id)
    where result = 'unmatched';

create table ledger_account (
    company_id uuid not null references company,
    account text not null,
    currency text not null,
    normal_side text not null check (normal_side in ('debit', 'credit', 'either')),
    primary key (company_id, account, currency)
);

-- Each row takes the same amount from one account to another, so every posting sums to zero.
create table transfer (
    company_id uuid not null,
    cause text not null,
    line smallint not null,
    debit_account text not null,
    credit_account text not null,
    amount bigint not null check (amount > 0),
    currency text not null,
    credit_id uuid,
    attempt smallint,
    bank_file_id uuid,
    at timestamptz not null,
    primary key (company_id, cause, line),
    foreign key (company_id, debit_account, currency) references ledger_account,
    foreign key (company_id, credit_account, currency) references ledger_account,
    check (debit_account <> credit_account)
);
create index transfer_credit on transfer (company_id, credit_id) where credit_id is not null;

create table audit (
    company_id uuid not null,
    audit_id uuid not null,
    at timestamptz not null,
    entry jsonb not null,
    details jsonb,
    salt bytea,
    primary key (company_id, audit_id)
);

create function append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name
        using errcode = 'insufficient_privilege', constraint = 'append_only';
end $$;
create trigger append_only before update or delete on event
    for each row execute function append_only();
create trigger append_only_all before truncate on event
    for each statement execute function append_only();
create trigger append_only before update or delete on transfer
    for each row execute function append_only();
create trigger append_only_all before truncate on transfer
    for each statement execute function append_only();
create trigger append_only before update or delete on bank_file_bytes
    for each row execute function append_only();
create trigger append_only_all before truncate on bank_file_bytes
    for each statement execute function append_only();
