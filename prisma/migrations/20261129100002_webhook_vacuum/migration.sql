-- Settings of the table of deliveries, of which each is updated twice. They wait for no request, and no request waits for them.
SET LOCAL lock_timeout = '500ms';

-- Old versions are removed, and the planner counts again, once a fiftieth of the rows has changed.
ALTER TABLE "webhook_delivery" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
