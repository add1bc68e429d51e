-- By this index the server finds what is due, and by it alone: its condition on the time is true of every row, but only a
-- statement that has it can use the index. Made while requests go on. The only statement of its script, since several are one
-- transaction, in which CONCURRENTLY cannot be. Where it fails it leaves an index that is not valid, to be dropped before
-- migrating again: DROP INDEX "webhook_delivery_time_idx".
CREATE INDEX CONCURRENTLY "webhook_delivery_time_idx" ON "webhook_delivery"("endpoint_id", "next_attempt_at") WHERE (("status" = 'PENDING') AND ("next_attempt_at" > '-infinity'));
