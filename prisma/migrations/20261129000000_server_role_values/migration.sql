-- Rights say which columns the server's role may write; these triggers say which values. They bind every role that does
-- not have the privileges of the tables' owner. Owners and superusers write any value, so the operator's command line, a
-- server that runs as the owner, and a restore work as before. What is allowed is what the statements of the server write,
-- in this release and in the one before. docs/owasp.md (API8) says what the role can still do.

-- Writers wait while a table is locked. Each of the five waits is short, so that all of them together stay below the 1 s
-- that a request waits for a lock. The order is that of the server's statements, so that no deadlock can happen.
SET LOCAL lock_timeout = '100ms';
LOCK TABLE "agent", "agent_version", "idempotency_key", "api_key", "audit_entry" IN SHARE ROW EXCLUSIVE MODE;

-- All functions have a search_path of their own that ends with pg_temp: without it PostgreSQL would look for tables among
-- the temporary ones of the role first. Those that look rows up never read a whole table: a session keeps the plan that it
-- made while a table was small.

-- Whether the current role has the privileges of the owner of a table.
CREATE FUNCTION "has_owner_rights"("of_table" regclass) RETURNS boolean LANGUAGE sql STABLE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = of_table $$;

-- For triggers whose condition says all.
CREATE FUNCTION "refuse_values"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE insufficient_privilege USING MESSAGE =
      format('the values are not allowed to role %I in table %I', current_user, TG_TABLE_NAME);
END
$$;

-- A new agent has version 1 and the time of the transaction.
CREATE TRIGGER "agent_insert_values" BEFORE INSERT ON "agent" FOR EACH ROW
  WHEN ((NEW."version" = 1 AND NEW."deleted_at" IS NULL
         AND NEW."created_at" = now()::timestamptz(3) AND NEW."updated_at" = NEW."created_at") IS NOT TRUE
        AND NOT "has_owner_rights"('"agent"'))
  EXECUTE FUNCTION "refuse_values"();

-- A change of an agent raises its version, and its time by at least a millisecond for each version. The time is that of
-- the clock, or where the clock is behind, exactly so many milliseconds later than the last one. A deletion sets
-- deleted_at to the time of the transaction and nothing else. A deleted agent does not change.
CREATE FUNCTION "check_agent_update"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  undeleted record := NEW;
BEGIN
  IF public.has_owner_rights(TG_RELID) THEN RETURN NEW; END IF;
  IF OLD.deleted_at IS NULL AND NEW.deleted_at IS NULL AND NEW.version > OLD.version AND NEW.version - OLD.version <= 100
     AND NEW.updated_at = OLD.updated_at + (NEW.version - OLD.version) * interval '1 millisecond' THEN
    RETURN NEW;
  END IF;
  undeleted.deleted_at := NULL;
  IF NEW.deleted_at = now()::timestamptz(3) AND undeleted IS NOT DISTINCT FROM OLD THEN RETURN NEW; END IF;
  RAISE insufficient_privilege USING MESSAGE =
      format('the values are not allowed to role %I in table %I', current_user, TG_TABLE_NAME);
END
$$;

-- The condition lets the usual change pass without a call of the function. It is short because PostgreSQL parses it for
-- every statement. The second is for a clock that is set back between the statement and this trigger; the 100 is more
-- than a batch has changes.
CREATE TRIGGER "agent_update_values" BEFORE UPDATE ON "agent" FOR EACH ROW
  WHEN (NEW."version" <= OLD."version" OR NEW."version" - OLD."version" > 100
        OR NEW."updated_at" - OLD."updated_at" < (NEW."version" - OLD."version") * interval '1 millisecond'
        OR NEW."updated_at" > clock_timestamp() + interval '1 second'
        OR NEW."deleted_at" IS NOT NULL OR OLD."deleted_at" IS NOT NULL)
  EXECUTE FUNCTION "check_agent_update"();

-- At the end of the statement an agent that was inserted has the history entry of its first version. For changes this is not
-- checked: it would cost each of them 10 µs, and the check of docs/backup.md finds an agent whose newest entry is missing.
CREATE FUNCTION "check_agent_history"() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
  IF EXISTS (
    SELECT FROM changed c
     WHERE c.deleted_at IS NULL
       AND (SELECT v.version FROM public.agent_version v WHERE v.agent_id = c.id AND v.version = c.version) IS NULL
  ) AND NOT public.has_owner_rights(TG_RELID) THEN
    RAISE insufficient_privilege USING MESSAGE =
      format('a change by role %I in table %I has no history entry', current_user, TG_TABLE_NAME);
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER "agent_insert_has_history" AFTER INSERT ON "agent" REFERENCING NEW TABLE AS "changed"
  FOR EACH STATEMENT EXECUTE FUNCTION "check_agent_history"();

-- A history entry is made by a key that exists and does not belong to another company. At the end of the statement its
-- agent has reached its version, and the entry has the time of that version: the newest one is at the agent's time, each
-- one before it a millisecond earlier. Subqueries use the primary keys, where a join might read a whole table.
CREATE FUNCTION "check_agent_version_insert"() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
  IF EXISTS (
    SELECT FROM entry e
     WHERE (e.operator IS NULL
            AND (SELECT e.version <= a.version
                        AND e.created_at = a.updated_at - (a.version - e.version) * interval '1 millisecond'
                        AND (SELECT coalesce(k.company_id = a.company_id, true)
                               FROM public.api_key k WHERE k.id = e.key_id)
                   FROM public.agent a WHERE a.id = e.agent_id)) IS NOT TRUE
  ) AND NOT public.has_owner_rights(TG_RELID) THEN
    RAISE insufficient_privilege USING MESSAGE =
      format('the values are not allowed to role %I in table %I', current_user, TG_TABLE_NAME);
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER "agent_version_insert_values" AFTER INSERT ON "agent_version" REFERENCING NEW TABLE AS "entry"
  FOR EACH STATEMENT EXECUTE FUNCTION "check_agent_version_insert"();

-- The only entry of the audit trail that the role writes: a key deleted an agent, at the time of the transaction.
CREATE TRIGGER "audit_entry_insert_values" BEFORE INSERT ON "audit_entry" FOR EACH ROW
  WHEN ((NEW."action" = 'agent.deleted' AND NEW."operator" IS NULL AND NEW."details" = '{}'
         AND NEW."created_at" = now()::timestamptz(3)
         AND num_nonnulls(NEW."integration_id", NEW."key_id", NEW."phone_number_id") = 0) IS NOT TRUE
        AND NOT "has_owner_rights"('"audit_entry"'))
  EXECUTE FUNCTION "refuse_values"();

-- At the end of the statement a deletion has exactly one entry, and the entry its deletion: of the same company and at the
-- same time, by a key that exists and does not belong to another company. The role cannot read the trail, so the owner does.
CREATE FUNCTION "check_agent_deletion"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
  deleted uuid;
BEGIN
  IF TG_TABLE_NAME = 'agent' THEN deleted := NEW.id; ELSE deleted := NEW.agent_id; END IF;
  IF (SELECT count(*) = 1 AND bool_and(e.company_id = a.company_id
                                       AND (k.company_id = a.company_id OR k.integration_id IS NOT NULL))
        FROM public.agent a
        JOIN public.audit_entry e ON e.agent_id = a.id AND e.action = 'agent.deleted'
        LEFT JOIN public.api_key k ON k.id = e.acting_key_id
       WHERE a.id = deleted AND a.deleted_at = now()::timestamptz(3) AND e.created_at = now()::timestamptz(3)) IS NOT TRUE
  THEN
    RAISE insufficient_privilege USING MESSAGE = 'a deletion of an agent and its audit entry belong together';
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER "audit_entry_has_deletion" AFTER INSERT ON "audit_entry" FOR EACH ROW
  WHEN (NOT "has_owner_rights"('"audit_entry"'))
  EXECUTE FUNCTION "check_agent_deletion"();
CREATE TRIGGER "agent_deletion_has_entry" AFTER UPDATE OF "deleted_at" ON "agent" FOR EACH ROW
  WHEN (OLD."deleted_at" IS NULL AND NEW."deleted_at" IS NOT NULL AND NOT "has_owner_rights"('"agent"'))
  EXECUTE FUNCTION "check_agent_deletion"();

-- A use of a key has the time of the transaction. With it the hash may change, to one that is well formed, of a key that
-- is active, or was a minute ago: uses are written after the request. PostgreSQL cannot tell whether the hash is that of
-- the same key, so the owner writes an audit entry. The role cannot give the function to a table of its own.
CREATE TRIGGER "api_key_update_values" BEFORE UPDATE ON "api_key" FOR EACH ROW
  WHEN ((NEW."last_used_at" = now()::timestamptz(3)
         AND (NEW."hash" = OLD."hash"
              OR (NEW."hash" ~ '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$'
                  AND coalesce(least(OLD."revoked_at", OLD."suspended_at", OLD."expires_at")
                               > now() - interval '1 minute', true)))) IS NOT TRUE
        AND NOT "has_owner_rights"('"api_key"'))
  EXECUTE FUNCTION "refuse_values"();

CREATE FUNCTION "record_key_rehash"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public.api_key'::regclass THEN
    RAISE insufficient_privilege USING MESSAGE = 'this function is for the table api_key';
  END IF;
  INSERT INTO public.audit_entry (action, acting_key_id, company_id, integration_id, key_id)
  VALUES ('key.rehashed', NEW.id, NEW.company_id, NEW.integration_id, NEW.id);
  RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION "record_key_rehash"() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION "check_agent_deletion"() FROM PUBLIC;

CREATE TRIGGER "api_key_rehash_has_entry" AFTER UPDATE OF "hash" ON "api_key" FOR EACH ROW
  WHEN (OLD."hash" <> NEW."hash" AND NOT "has_owner_rights"('"api_key"'))
  EXECUTE FUNCTION "record_key_rehash"();

-- An answer that is kept for retries has the time of the transaction, and is not deleted before 24 hours have passed.
CREATE TRIGGER "idempotency_key_insert_values" BEFORE INSERT ON "idempotency_key" FOR EACH ROW
  WHEN (NEW."created_at" <> now()::timestamptz(3) AND NOT "has_owner_rights"('"idempotency_key"'))
  EXECUTE FUNCTION "refuse_values"();
CREATE TRIGGER "idempotency_key_delete_values" BEFORE DELETE ON "idempotency_key" FOR EACH ROW
  WHEN (OLD."created_at" > now() - interval '24 hours' AND NOT "has_owner_rights"('"idempotency_key"'))
  EXECUTE FUNCTION "refuse_values"();
