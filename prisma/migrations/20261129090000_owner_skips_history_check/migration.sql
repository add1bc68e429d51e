-- The two checks of history run for the server's role alone. Their functions let the owner's rights through at the end, after
-- a query of 30 µs at each write; as a condition of the trigger, the same question is answered first, for 1 µs. Only the owner
-- of a table, its members and superusers have grant options on it, unless somebody gave one away.
SET LOCAL lock_timeout = '200ms';
-- In the order of a change, which would else wait for the migration while the migration waits for it.
LOCK TABLE "agent", "agent_version" IN SHARE ROW EXCLUSIVE MODE;

CREATE OR REPLACE TRIGGER "agent_version_insert_values" AFTER INSERT ON "agent_version" REFERENCING NEW TABLE AS "entry"
  FOR EACH STATEMENT WHEN (NOT has_table_privilege('"agent_version"'::regclass, 'INSERT WITH GRANT OPTION'))
  EXECUTE FUNCTION "check_agent_version_insert"();

CREATE OR REPLACE TRIGGER "agent_insert_has_history" AFTER INSERT ON "agent" REFERENCING NEW TABLE AS "changed"
  FOR EACH STATEMENT WHEN (NOT has_table_privilege('"agent"'::regclass, 'INSERT WITH GRANT OPTION'))
  EXECUTE FUNCTION "check_agent_history"();
