-- Tells for each 128 pages of the history which keys made none of its entries, so that those of a key that did little are
-- found without reading the rest. Made while requests go on. The only statement of its script, since several are one
-- transaction, in which CONCURRENTLY cannot be. Where it fails it leaves an index that is not valid, to be dropped before
-- migrating again: DROP INDEX "agent_version_key_id_idx".
CREATE INDEX CONCURRENTLY "agent_version_key_id_idx" ON "agent_version" USING BRIN ("key_id" uuid_bloom_ops);
