-- The triggers of 20261129000000_server_role_values let the server's role date a change of an agent at any time since the
-- agent's last change, and write history of the versions 0 and below. No server has ever written either.
SET LOCAL lock_timeout = '400ms';

-- As before, and the time of a change is at most a minute old, also where the clock was behind the agent's last change.
CREATE OR REPLACE FUNCTION "check_agent_update"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  undeleted record := NEW;
BEGIN
  IF public.has_owner_rights(TG_RELID) THEN RETURN NEW; END IF;
  IF OLD.deleted_at IS NULL AND NEW.deleted_at IS NULL AND NEW.version > OLD.version AND NEW.version - OLD.version <= 100
     AND NEW.updated_at = OLD.updated_at + (NEW.version - OLD.version) * interval '1 millisecond'
     AND NEW.updated_at >= clock_timestamp() - interval '1 minute' THEN
    RETURN NEW;
  END IF;
  undeleted.deleted_at := NULL;
  IF NEW.deleted_at = now()::timestamptz(3) AND undeleted IS NOT DISTINCT FROM OLD THEN RETURN NEW; END IF;
  RAISE insufficient_privilege USING MESSAGE =
      format('the values are not allowed to role %I in table %I', current_user, TG_TABLE_NAME);
END
$$;

-- A server's statement reads the clock for a row after its lock and just before this trigger. Where a minute passes in
-- between, because the machine stands still, the statement is ended by its limit of 2 s anyway.
CREATE OR REPLACE TRIGGER "agent_update_values" BEFORE UPDATE ON "agent" FOR EACH ROW
  WHEN (NEW."version" <= OLD."version" OR NEW."version" - OLD."version" > 100
        OR NEW."updated_at" - OLD."updated_at" < (NEW."version" - OLD."version") * interval '1 millisecond'
        OR NEW."updated_at" > clock_timestamp() + interval '1 second'
        OR NEW."updated_at" < clock_timestamp() - interval '1 minute'
        OR NEW."deleted_at" IS NOT NULL OR OLD."deleted_at" IS NOT NULL)
  EXECUTE FUNCTION "check_agent_update"();

-- As before, and the first version is 1.
CREATE OR REPLACE FUNCTION "check_agent_version_insert"() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
  IF EXISTS (
    SELECT FROM entry e
     WHERE (e.operator IS NULL AND e.version > 0
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
