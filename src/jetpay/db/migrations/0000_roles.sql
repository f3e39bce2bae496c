-- The role of the running program: reads and writes rows, never changes the schema.
-- The embedded server has it already. Elsewhere it is made where the migrating role may, without
-- a login, which the operator gives; where it may not, one role does both and `jetpay check` says
-- so. Later files grant inside: do $$ begin if exists (select from pg_roles where
-- rolname = 'jetpay_app') then grant …; end if; end $$;
do $$ begin
    if not exists (select from pg_roles where rolname = 'jetpay_app') then
        create role jetpay_app nologin;
    end if;
exception
    when insufficient_privilege or duplicate_object or unique_violation then null;
end $$;
