-- A deletion had the time of the begin of its transaction. If it waited for a change of the agent, this was before the time of
-- that change. Servers now date it at least a millisecond after the agent's last change, and its audit entry with it. Servers
-- of the release before go on to use the time of the transaction.
SET LOCAL lock_timeout = '500ms';

-- As before, and a deletion may have that time.
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
  IF NEW.deleted_at IN (now()::timestamptz(3), greatest(now()::timestamptz(3), OLD.updated_at + interval '1 millisecond'))
     AND undeleted IS NOT DISTINCT FROM OLD THEN
    RETURN NEW;
  END IF;
  RAISE insufficient_privilege USING MESSAGE =
      format('the values are not allowed to role %I in table %I', current_user, TG_TABLE_NAME);
END
$$;

-- As before, and the time of both is not that of the transaction but the same. A deletion of another transaction is older, or
-- has its entry, so that there would be two.
CREATE OR REPLACE FUNCTION "check_agent_deletion"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
  deleted uuid;
BEGIN
  IF TG_TABLE_NAME = 'agent' THEN deleted := NEW.id; ELSE deleted := NEW.agent_id; END IF;
  IF (SELECT count(*) = 1 AND bool_and(e.company_id = a.company_id AND e.created_at = a.deleted_at
                                       AND (k.company_id = a.company_id OR k.integration_id IS NOT NULL))
        FROM public.agent a
        JOIN public.audit_entry e ON e.agent_id = a.id AND e.action = 'agent.deleted'
        LEFT JOIN public.api_key k ON k.id = e.acting_key_id
       WHERE a.id = deleted AND a.deleted_at >= now()::timestamptz(3)) IS NOT TRUE
  THEN
    RAISE insufficient_privilege USING MESSAGE = 'a deletion of an agent and its audit entry belong together';
  END IF;
  RETURN NULL;
END
$$;

-- As before, but the time of an entry about a deletion is checked with the deletion, after it is inserted.
CREATE OR REPLACE TRIGGER "audit_entry_insert_values" BEFORE INSERT ON "audit_entry" FOR EACH ROW
  WHEN ((num_nonnulls(NEW."key_id", NEW."phone_number_id") = 0
         AND CASE WHEN NEW."action" = 'agent.deleted'
                  THEN NEW."operator" IS NULL AND NEW."details" = '{}' AND NEW."integration_id" IS NULL
                  WHEN NEW."created_at" <> now()::timestamptz(3) THEN false
                  WHEN NEW."action" IN ('webhook.created', 'webhook.updated', 'webhook.deleted', 'webhook.secret-rotated')
                  THEN NEW."operator" IS NULL AND NEW."agent_id" IS NULL
                       AND num_nonnulls(NEW."company_id", NEW."integration_id") = 1
                  WHEN NEW."action" = 'webhook.disabled'
                  THEN NEW."operator" = 'server' AND NEW."agent_id" IS NULL
                       AND num_nonnulls(NEW."company_id", NEW."integration_id") = 1
             END) IS NOT TRUE
        AND NOT "has_owner_rights"('"audit_entry"'))
  EXECUTE FUNCTION "refuse_values"();
