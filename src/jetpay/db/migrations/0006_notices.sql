-- Mails, one-time codes, and what a company has settled about both.

alter table company
    -- From this amount on, in minor units, a code is asked. Null: 1,000.00 for a live company,
    -- never for a sandbox; above every amount: never.
    add column code_from_amount bigint check (code_from_amount between 0 and 10000000000),
    -- Somebody is guessing: until then every open link asks for a code.
    add column codes_until timestamptz,
    -- So many days after a credit with `notify` was made.
    add column reminder_days smallint[] not null default '{}',
    add column mails_a_day int check (mails_a_day > 0);

alter table credit
    add column readdressed_at timestamptz,
    drop constraint credit_held_check,
    add constraint credit_held_check check (held in ('awaiting_returned_funds', 'file_refused',
        'withdrawn', 'possible_duplicate', 'readdressed', 'disowned'));
-- Somebody who got the notice of the acceptance said that it was not theirs.
alter table payment_attempt add column disowned_at timestamptz;

alter table link_gate
    add column codes smallint not null default 0,
    add column code_wrong smallint not null default 0,
    -- How often a code gave a locked link more tries.
    add column reprieves smallint not null default 0;

-- Addresses that were replaced: they are told for a month what happens under the new one.
create table former_address (
    company_id uuid not null,
    address_id uuid not null,
    contact_id uuid not null,
    credit_id uuid, -- of this credit alone
    email text not null,
    replaced_at timestamptz not null,
    primary key (company_id, address_id),
    foreign key (company_id, contact_id) references contact,
    foreign key (company_id, credit_id) references credit
);
create index former_address_contact on former_address (company_id, contact_id);

-- What is to be sent, and what was. The body is made when it is sent; a sandbox without a mail
-- server keeps it, sealed, for a day. Times are real ones.
create table mail (
    company_id uuid not null references company,
    mail_id uuid not null,
    template text not null,
    language text not null,
    recipient bytea, -- sealed; nothing once the person was erased
    recipient_mac bytea not null check (length(recipient_mac) = 32),
    cause text not null,
    credit_id uuid,
    link_version smallint,
    event_id bigint,
    state text not null default 'waiting'
        check (state in ('waiting', 'sent', 'kept', 'refused', 'dropped')),
    tries smallint not null default 0,
    -- Tries whose end nobody wrote down: the mail may have gone out.
    interrupted smallint not null default 0,
    is_counted boolean not null default false,
    outcome text,
    created_at timestamptz not null,
    due_at timestamptz not null,
    lease_until timestamptz,
    lease_token uuid,
    sent_at timestamptz,
    body bytea,
    primary key (company_id, mail_id),
    foreign key (company_id, credit_id) references credit,
    check (body is null or state = 'kept')
);
create unique index mail_once on mail (company_id, cause, template, recipient_mac);
create index mail_credit on mail (company_id, credit_id) where credit_id is not null;
create index mail_due on mail (due_at) where state = 'waiting';

-- The one living code of a browser: of its session, or of its visit on a locked page.
create table payee_code (
    company_id uuid not null,
    holder bytea not null check (length(holder) = 32),
    credit_id uuid not null,
    link_version smallint not null,
    mail_id uuid not null,
    mac bytea,
    pepper_key_id int,
    expires_at timestamptz,
    tries smallint not null default 0,
    created_at timestamptz not null,
    primary key (company_id, holder),
    foreign key (company_id, credit_id) references credit,
    check ((mac is null) = (expires_at is null) and (mac is null) = (pepper_key_id is null))
);

-- Up to which event a company's mails are planned; what happened before mails were is not told.
create table notice_cursor (
    company_id uuid primary key references company,
    last_event_id bigint not null
);
insert into notice_cursor (company_id, last_event_id)
select company_id, last_event_id from event_counter;
