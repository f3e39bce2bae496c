-- The role of the running program: reads and writes rows, never changes the schema.
-- The embedded server has it already. Elsewhere it is made where the migrating role may, without
-- a login, which the operator gives; where it may not, one role does both until the operator makes
-- it, and `jetpay migrate` and `jetpay check` say so. Its rights: see db/rights.sql.
do $$ begin
    if not exists (select from pg_roles where rolname = 'jetpay_app') then
        create role jetpay_app nologin;
    end if;
exception
    when insufficient_privilege or duplicate_object or unique_violation then null;
end $$;
