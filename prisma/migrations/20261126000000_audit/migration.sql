-- AlterTable
ALTER TABLE "agent_version" ADD COLUMN     "caller_address" TEXT,
ADD COLUMN     "operator" TEXT;

-- CreateTable
CREATE TABLE "audit_entry" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "action" TEXT NOT NULL,
    "operator" TEXT,
    "acting_key_id" UUID,
    "request_id" TEXT,
    "caller_address" TEXT,
    "company_id" UUID,
    "integration_id" UUID,
    "key_id" UUID,
    "phone_number_id" UUID,
    "agent_id" UUID,
    "details" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "audit_entry_created_at_idx" ON "audit_entry"("created_at" DESC);

-- CreateIndex
CREATE INDEX "agent_version_created_at_idx" ON "agent_version" USING BRIN ("created_at");

-- What the Prisma schema cannot say.

-- Somebody did it: an operator, or a key in a request.
ALTER TABLE "audit_entry" ADD CONSTRAINT "audit_entry_one_author" CHECK (num_nonnulls("operator", "acting_key_id") = 1);

-- The trail is only ever added to, by whoever it is; that of agents already is, but for the operator's purge.
CREATE TRIGGER "audit_entry_never_changes" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_entry"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
