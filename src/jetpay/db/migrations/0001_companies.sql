-- Companies, who may act for them, whom they pay, and the keys that guard it all.

create table installation (
    only_row boolean primary key default true check (only_row),
    epoch uuid not null,
    created_at timestamptz not null
);

-- Working keys, wrapped by a root key. The installation's own lie under the zero company.
create table secret_key (
    company_id uuid not null,
    purpose text not null,
    number int not null check (number > 0),
    state text not null check (state in ('next', 'active', 'verify-only', 'destroyed')),
    root_fingerprint bytea not null,
    wrapped bytea not null,
    public_jwk jsonb,
    created_at timestamptz not null,
    activates_at timestamptz not null,
    retires_at timestamptz,
    uses bigint not null default 0,
    primary key (company_id, purpose, number)
);
create unique index secret_key_one_active on secret_key (company_id, purpose) where state = 'active';

create table company (
    company_id uuid primary key,
    short_id bigint not null unique check (short_id between 0 and 4294967295),
    name text not null,
    sandbox boolean not null,
    clock_offset interval not null default '0',
    -- The business time that the last turning of a sandbox's clock passed over.
    turned_from timestamptz,
    turned_to timestamptz,
    question_id uuid,
    link_days smallint not null default 30 check (link_days between 1 and 365),
    repairs smallint not null default 3 check (repairs between 0 and 20),
    repair_days smallint not null default 14 check (repair_days between 1 and 365),
    support_contact text,
    -- Networks that its webhooks may call although private: granted by the operator.
    allowed_networks text[] not null default '{}',
    created_at timestamptz not null,
    unique (company_id, sandbox)
);

-- Each change is a new row; a credit keeps the row it was created under.
create table security_question (
    company_id uuid not null references company,
    question_id uuid not null,
    question text not null,
    answer_hash text not null,
    pepper_key_id int not null,
    own boolean not null default false, -- of a contact or a credit, erased with the contact
    created_at timestamptz not null,
    primary key (company_id, question_id)
);
alter table company add foreign key (company_id, question_id) references security_question;

create table member (
    company_id uuid not null references company,
    member_id uuid not null,
    email text not null,
    role text not null
        check (role in ('owner', 'admin', 'approver', 'preparer', 'developer', 'viewer')),
    password_hash text,
    created_at timestamptz not null,
    primary key (company_id, member_id)
);
create unique index member_email on member (company_id, lower(email));

-- Found by digest before the company is known: one of the few keys without company_id in front.
create table api_token (
    company_id uuid not null,
    token_id uuid not null,
    sandbox boolean not null,
    digest bytea not null unique check (length(digest) = 32),
    last4 text not null,
    name text not null,
    scopes text[] not null,
    made_by uuid,
    max_amount bigint check (max_amount > 0),
    max_per_day bigint check (max_per_day > 0),
    allowed_networks cidr[],
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    primary key (company_id, token_id),
    foreign key (company_id, sandbox) references company (company_id, sandbox)
);

-- What a token with a daily limit has made so far, by UTC day, in minor units.
create table token_day (
    company_id uuid not null,
    token_id uuid not null,
    day date not null,
    amount bigint not null,
    primary key (company_id, token_id, day),
    foreign key (company_id, token_id) references api_token
);

create table contact (
    company_id uuid not null references company,
    contact_id uuid not null,
    email text,
    name text,
    tags text[] not null default '{}',
    language text not null default 'en' check (language in ('en', 'fr')),
    metadata jsonb,
    external_id text,
    question_id uuid,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    erased_at timestamptz,
    primary key (company_id, contact_id),
    foreign key (company_id, question_id) references security_question,
    check (erased_at is not null or (email is not null and name is not null))
);
create unique index contact_external_id on contact (company_id, external_id)
    where external_id is not null;

-- The company's own accounts (contact_id is null) and those of contacts. Never changed, only
-- added and removed; the numbers live in the sealed column alone.
create table bank_account (
    company_id uuid not null references company,
    bank_account_id uuid not null,
    contact_id uuid,
    title text,
    institution text,
    holder_name text not null,
    holder_type text not null default 'person' check (holder_type in ('person', 'business')),
    account_type text not null default 'chequing' check (account_type in ('chequing', 'savings')),
    scheme text not null check (scheme in ('ca', 'us', 'iban')),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    details bytea,
    account_index bytea not null,
    last3 text not null,
    rail text check (rail in ('sandbox', 'cpa005', 'nacha', 'pain001')),
    -- Only a sandbox company can have an account at the simulated bank.
    at_sandbox_bank boolean generated always as (case when rail = 'sandbox' then true end) stored,
    profile text,
    state text check (state in ('draft', 'testing', 'live')),
    credit_limit bigint check (credit_limit > 0),
    file_limit bigint check (file_limit > 0),
    daily_limit bigint check (daily_limit > 0),
    last_file_number int not null default 0,
    filled_until timestamptz,
    created_at timestamptz not null,
    deleted_at timestamptz,
    returned_at timestamptz,
    primary key (company_id, bank_account_id),
    foreign key (company_id, contact_id) references contact,
    foreign key (company_id, at_sandbox_bank) references company (company_id, sandbox),
    check ((contact_id is null) = (rail is not null)),
    check ((contact_id is null) = (state is not null)),
    check (deleted_at is not null or details is not null)
);
create index bank_account_contact on bank_account (company_id, contact_id, bank_account_id);
create index bank_account_index on bank_account (company_id, account_index);

-- What a write that made something answered: never the answer itself (no secret is kept).
create table idempotency (
    company_id uuid not null references company,
    operation text not null,
    key text not null,
    object_id uuid not null,
    fingerprint bytea not null,
    created_at timestamptz not null,
    primary key (company_id, operation, key)
);
