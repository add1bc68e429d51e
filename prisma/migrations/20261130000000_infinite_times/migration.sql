-- SQL by the owner can store an infinite time in an agent. The condition of 20261129120000_server_role_times subtracted the times
-- of an agent before and after a change; PostgreSQL cannot subtract infinite ones, so each change of such an agent failed.
SET LOCAL lock_timeout = '500ms';

-- As before, with an addition in place of the subtraction: it refuses the same values.
CREATE OR REPLACE TRIGGER "agent_update_values" BEFORE UPDATE ON "agent" FOR EACH ROW
  WHEN (NEW."version" <= OLD."version" OR NEW."version" - OLD."version" > 100
        OR NEW."updated_at" < OLD."updated_at" + (NEW."version" - OLD."version") * interval '1 millisecond'
        OR NEW."updated_at" > clock_timestamp() + interval '1 second'
        OR NEW."updated_at" < clock_timestamp() - interval '1 minute'
        OR NEW."deleted_at" IS NOT NULL OR OLD."deleted_at" IS NOT NULL)
  EXECUTE FUNCTION "check_agent_update"();
