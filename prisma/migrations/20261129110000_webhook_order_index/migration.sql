-- By this index the server finds the first delivery of an agent that waits. Redeliveries and pings are outside of that order: the
-- index of lines has them too, and thousands of redeliveries would be read on the way to the next delivery. Made while requests
-- go on, and the only statement of its script, like "webhook_delivery_time_idx". Where it fails it leaves an index that is not
-- valid, to be dropped before migrating again: DROP INDEX "webhook_delivery_order_idx".
CREATE INDEX CONCURRENTLY "webhook_delivery_order_idx" ON "webhook_delivery"("endpoint_id", "agent_id", "position") WHERE (("status" = 'PENDING') AND (NOT "is_redelivery"));
