-- What the role of the running program may do, given anew after every migration: all rows, but
-- those
-- of the tables below, which it may add to and never change, and the list of migrations, which it
-- may read.
do $$ declare
    kept text;
begin
    if not exists (select from pg_roles where rolname = 'jetpay_app') then
        return;
    end if;
    grant usage on schema public to jetpay_app;
    grant select, insert, update, delete on all tables in schema public to jetpay_app;
    grant usage on all sequences in schema public to jetpay_app;
    foreach kept in array array['event', 'transfer', 'audit', 'bank_file_bytes', 'schema_migration']
    loop
        if to_regclass(kept) is not null then
            execute format('revoke update, delete on %I from jetpay_app', kept);
        end if;
    end loop;
    revoke insert on schema_migration from jetpay_app;
end $$;
