-- How a company looks to its payees, and contacts of further languages.

create table brand (
    company_id uuid primary key references company,
    colour text check (colour ~ '^#[0-9a-f]{6}$'),
    logo bytea,
    logo_sha256 text check (logo_sha256 ~ '^[0-9a-f]{64}$'),
    logo_width smallint,
    logo_height smallint,
    changed_at timestamptz not null,
    check ((logo is null) = (logo_sha256 is null)),
    check ((logo is null) = (logo_width is null)),
    check ((logo is null) = (logo_height is null))
);
create index brand_logo on brand (logo_sha256) where logo is not null;

alter table contact drop constraint contact_language_check;
alter table contact add check (language ~ '^[a-z]{2,3}$');
