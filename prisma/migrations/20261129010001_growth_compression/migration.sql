-- Large values are compressed by lz4 from now on, where the server has it: changes of large agents take a quarter of the
-- time. What is stored stays readable, and stays as it is until it is written again.
--
-- Requests wait while a table is locked, and this for every transaction that uses it. Each of the three waits is short, so
-- that all of them together stay below the 1 s that a request waits for a lock. Where one is too long, nothing is done.
SET LOCAL lock_timeout = '300ms';

DO $$
BEGIN
  IF (SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
    ALTER TABLE "agent" ALTER COLUMN "questions" SET COMPRESSION lz4, ALTER COLUMN "metadata" SET COMPRESSION lz4;
    ALTER TABLE "agent_version" ALTER COLUMN "snapshot" SET COMPRESSION lz4;
    ALTER TABLE "idempotency_key" ALTER COLUMN "agent" SET COMPRESSION lz4;
  END IF;
END
$$;
