-- The triggers of 20261129000000_server_role_values let the server's role date a change of an agent at any time since the
-- agent's last change, and write history of the versions 0 and below. No server has ever written either. Those of
-- 20261129040000_webhooks let it change endpoints without an audit entry, and write entries of webhooks by unknown keys.
SET LOCAL lock_timeout = '300ms';
-- In the order of the server's statements, so that no deadlock can happen.
LOCK TABLE "agent", "webhook_endpoint", "audit_entry" IN SHARE ROW EXCLUSIVE MODE;

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

-- An entry about an endpoint is of its owner, by a key that exists and does not belong to somebody else; "server" has disabled
-- it. A key of an integration acts for companies too. After a deletion the endpoint is gone.
CREATE FUNCTION "check_webhook_entry"() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
  endpoint public.webhook_endpoint;
BEGIN
  SELECT w.* INTO endpoint FROM public.webhook_endpoint w WHERE w.id = (NEW.details->>'webhookId')::uuid;
  IF (CASE NEW.action
        WHEN 'webhook.deleted' THEN endpoint.id IS NULL AND NEW.details->>'webhookId' IS NOT NULL
        ELSE endpoint.company_id IS NOT DISTINCT FROM NEW.company_id
             AND endpoint.integration_id IS NOT DISTINCT FROM NEW.integration_id
      END
      AND CASE NEW.action
            WHEN 'webhook.disabled'
            THEN endpoint.status = 'DISABLED' AND endpoint.disabled_reason = NEW.details->>'reason'
            ELSE (SELECT CASE WHEN NEW.company_id IS NULL THEN k.integration_id = NEW.integration_id
                              ELSE k.company_id = NEW.company_id OR k.integration_id IS NOT NULL END
                    FROM public.api_key k WHERE k.id = NEW.acting_key_id)
          END) THEN
    RETURN NULL;
  END IF;
  RAISE insufficient_privilege USING MESSAGE =
      format('the values are not allowed to role %I in table %I', current_user, TG_TABLE_NAME);
END
$$;

CREATE TRIGGER "audit_entry_has_webhook" AFTER INSERT ON "audit_entry" FOR EACH ROW
  WHEN (NEW."action" LIKE 'webhook.%' AND NOT "has_owner_rights"('"audit_entry"'))
  EXECUTE FUNCTION "check_webhook_entry"();

-- At the end of the transaction an endpoint that was made, changed or deleted has its entry. Not what deliveries write about
-- its health, and what a server encrypts anew under another secret. The role cannot read the trail, so the owner does.
CREATE FUNCTION "check_webhook_change"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
  endpoint public.webhook_endpoint := coalesce(NEW, OLD);
  actions text[] := CASE TG_OP WHEN 'INSERT' THEN '{webhook.created}' WHEN 'DELETE' THEN '{webhook.deleted}'
                               ELSE '{webhook.updated,webhook.secret-rotated,webhook.disabled}' END;
BEGIN
  IF EXISTS (
    SELECT FROM public.audit_entry e
     WHERE e.created_at = now()::timestamptz(3) AND e.action = ANY(actions) AND e.details->>'webhookId' = endpoint.id::text
       AND e.company_id IS NOT DISTINCT FROM endpoint.company_id
       AND e.integration_id IS NOT DISTINCT FROM endpoint.integration_id
  ) THEN
    RETURN NULL;
  END IF;
  RAISE insufficient_privilege USING MESSAGE = 'a change of a webhook endpoint and its audit entry belong together';
END
$$;
REVOKE EXECUTE ON FUNCTION "check_webhook_change"() FROM PUBLIC;

CREATE CONSTRAINT TRIGGER "webhook_endpoint_has_entry" AFTER INSERT OR DELETE ON "webhook_endpoint"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT "has_owner_rights"('"webhook_endpoint"'))
  EXECUTE FUNCTION "check_webhook_change"();
CREATE CONSTRAINT TRIGGER "webhook_endpoint_change_has_entry" AFTER UPDATE ON "webhook_endpoint"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN ((OLD."url", OLD."events", OLD."description", OLD."header_names", OLD."status", OLD."disabled_reason")
        IS DISTINCT FROM
        (NEW."url", NEW."events", NEW."description", NEW."header_names", NEW."status", NEW."disabled_reason")
        AND NOT "has_owner_rights"('"webhook_endpoint"'))
  EXECUTE FUNCTION "check_webhook_change"();
