-- Lists look at living agents alone: an index of these answers how many there are and which are on a page by itself.
-- Made while requests go on. The only statement of its script, since several are one transaction, in which CONCURRENTLY
-- cannot be. Where it fails it leaves an index that is not valid, to be dropped before migrating again:
-- DROP INDEX "agent_living_idx".
CREATE INDEX CONCURRENTLY "agent_living_idx" ON "agent"("company_id", "created_at" DESC, "id" DESC) WHERE "deleted_at" IS NULL;
