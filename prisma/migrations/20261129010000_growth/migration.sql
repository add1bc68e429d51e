-- Settings of tables that grow. They wait for no request, and no request waits for them.
SET LOCAL lock_timeout = '500ms';

-- Room for the next version of a row on its page, so that an update need not touch the indexes: 15 % are enough.
-- Old versions are removed once a twentieth of the rows has some, not a fifth.
ALTER TABLE "agent" SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- All rows of a day are deleted within the next one.
ALTER TABLE "idempotency_key" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

-- Rows are only ever added. Each vacuum freezes what came since the last one, so that the vacuum against wraparound of
-- transaction ids finds nothing left to write.
ALTER TABLE "agent_version" SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0);
