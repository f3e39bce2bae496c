-- What the audit says stays, whoever is connected; details and their salt alone can be erased.
create function audit_only_forgets() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE'
       or (old.company_id, old.audit_id, old.at, old.entry)
          is distinct from (new.company_id, new.audit_id, new.at, new.entry)
       or new.details is not null or new.salt is not null
    then
        raise exception 'audit is append-only'
            using errcode = 'insufficient_privilege', constraint = 'append_only';
    end if;
    return new;
end $$;
create trigger audit_only_forgets before update or delete on audit
    for each row execute function audit_only_forgets();
create trigger append_only_all before truncate on audit
    for each statement execute function append_only();
