-- Every lock of a table that is in use is waited for shortly; all waits together stay under the 1 s that a request waits.
SET LOCAL lock_timeout = '200ms';

-- AlterTable
ALTER TABLE "idempotency_key" ADD COLUMN     "answer" JSON,
ADD COLUMN     "webhook_id" UUID,
ALTER COLUMN "agent_id" DROP NOT NULL;

-- CreateTable
CREATE TABLE "webhook_endpoint" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "company_id" UUID,
    "integration_id" UUID,
    "url" TEXT NOT NULL,
    "events" TEXT[] NOT NULL,
    "description" TEXT,
    "header_names" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    "sealed_headers" TEXT,
    "sealed_secret" TEXT NOT NULL,
    "sealed_previous_secret" TEXT,
    "previous_secret_until" TIMESTAMPTZ(3),
    "sealed_under" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'ENABLED',
    "disabled_reason" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_success_at" TIMESTAMPTZ(3),
    "last_failure_at" TIMESTAMPTZ(3),
    "failing_since" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_endpoint_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhook_delivery" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    -- An identity column: inserting into it needs no right on its sequence.
    "position" BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    "endpoint_id" UUID NOT NULL,
    "event_id" TEXT NOT NULL,
    "event_type" TEXT NOT NULL,
    "agent_id" UUID,
    "company_id" UUID,
    "version" INTEGER,
    "body" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'PENDING',
    "is_redelivery" BOOLEAN NOT NULL DEFAULT false,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "leased_until" TIMESTAMPTZ(3),
    "lease" UUID,
    "last_status" INTEGER,
    "last_error" TEXT,
    "last_answer" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_delivery_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "webhook_endpoint_company_id_idx" ON "webhook_endpoint"("company_id");

-- CreateIndex
CREATE INDEX "webhook_endpoint_integration_id_idx" ON "webhook_endpoint"("integration_id");

-- CreateIndex
CREATE INDEX "webhook_delivery_line_idx" ON "webhook_delivery"("endpoint_id", "agent_id", "position") WHERE ("status" = 'PENDING');

-- CreateIndex
CREATE INDEX "webhook_delivery_due_idx" ON "webhook_delivery"("endpoint_id", "next_attempt_at") WHERE ("status" = 'PENDING');

-- CreateIndex
CREATE INDEX "webhook_delivery_list_idx" ON "webhook_delivery"("endpoint_id", "position" DESC);

-- CreateIndex
CREATE INDEX "webhook_delivery_failed_idx" ON "webhook_delivery"("endpoint_id", "position" DESC) WHERE ("status" = 'FAILED');

-- CreateIndex
CREATE INDEX "webhook_delivery_agent_id_idx" ON "webhook_delivery"("agent_id");

-- CreateIndex
CREATE INDEX "webhook_delivery_finished_at_idx" ON "webhook_delivery"("finished_at");

-- AddForeignKey
ALTER TABLE "webhook_endpoint" ADD CONSTRAINT "webhook_endpoint_company_id_fkey" FOREIGN KEY ("company_id") REFERENCES "company"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_endpoint" ADD CONSTRAINT "webhook_endpoint_integration_id_fkey" FOREIGN KEY ("integration_id") REFERENCES "integration"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_delivery" ADD CONSTRAINT "webhook_delivery_endpoint_id_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "webhook_endpoint"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What the Prisma schema cannot say.

ALTER TABLE "webhook_endpoint" ADD CONSTRAINT "webhook_endpoint_one_owner" CHECK (num_nonnulls("company_id", "integration_id") = 1);

-- The server's role writes a further kind of entry to the audit trail: a key changed an endpoint of its company or of its
-- integration; or deliveries disabled one, which has the author "server". Entries of deletions are as before.
CREATE OR REPLACE TRIGGER "audit_entry_insert_values" BEFORE INSERT ON "audit_entry" FOR EACH ROW
  WHEN ((NEW."created_at" = now()::timestamptz(3) AND num_nonnulls(NEW."key_id", NEW."phone_number_id") = 0
         AND CASE WHEN NEW."action" = 'agent.deleted'
                  THEN NEW."operator" IS NULL AND NEW."details" = '{}' AND NEW."integration_id" IS NULL
                  WHEN NEW."action" IN ('webhook.created', 'webhook.updated', 'webhook.deleted', 'webhook.secret-rotated')
                  THEN NEW."operator" IS NULL AND NEW."agent_id" IS NULL
                       AND num_nonnulls(NEW."company_id", NEW."integration_id") = 1
                  WHEN NEW."action" = 'webhook.disabled'
                  THEN NEW."operator" = 'server' AND NEW."agent_id" IS NULL
                       AND num_nonnulls(NEW."company_id", NEW."integration_id") = 1
             END) IS NOT TRUE
        AND NOT "has_owner_rights"('"audit_entry"'))
  EXECUTE FUNCTION "refuse_values"();

CREATE OR REPLACE TRIGGER "audit_entry_has_deletion" AFTER INSERT ON "audit_entry" FOR EACH ROW
  WHEN (NEW."action" NOT LIKE 'webhook.%' AND NOT "has_owner_rights"('"audit_entry"'))
  EXECUTE FUNCTION "check_agent_deletion"();
