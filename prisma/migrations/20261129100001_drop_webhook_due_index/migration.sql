-- The planner could look for the next delivery of one agent in this index, and then read all that its endpoint waits for.
-- Servers of the release before find what is due by the index of lines: slower where much waits, until they are replaced.
DROP INDEX CONCURRENTLY "webhook_delivery_due_idx";
