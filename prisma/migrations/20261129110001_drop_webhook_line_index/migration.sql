-- What asks for the first delivery of an agent leaves out redeliveries, also in servers of the release before: all of them can use
-- "webhook_delivery_order_idx" instead.
DROP INDEX CONCURRENTLY IF EXISTS "webhook_delivery_line_idx";
