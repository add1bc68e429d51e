-- CreateTable
CREATE TABLE "company" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "company_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "integration" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "integration_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "integration_company" (
    "company_id" UUID NOT NULL,
    "integration_id" UUID NOT NULL,
    "granted_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "integration_company_pkey" PRIMARY KEY ("company_id","integration_id")
);

-- CreateTable
CREATE TABLE "api_key" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "company_id" UUID,
    "integration_id" UUID,
    "name" TEXT,
    "start" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "scopes" TEXT[] NOT NULL,
    "allowed_ips" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    "per_minute" INTEGER,
    "per_hour" INTEGER,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "suspended_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "company_phone_number" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "company_id" UUID NOT NULL,
    "number" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'ACTIVE',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "company_phone_number_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "agent" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "company_id" UUID NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "focus" TEXT NOT NULL,
    "language" TEXT NOT NULL,
    "duration" INTEGER NOT NULL,
    "questions" JSONB NOT NULL DEFAULT '[]',
    "instructions" TEXT,
    "voice_id" TEXT,
    "cefr_level" TEXT,
    "background_sound" TEXT,
    "company_phone_number_id" UUID,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "agent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "agent_version" (
    "agent_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "snapshot" JSONB NOT NULL,
    "changed_fields" TEXT[] NOT NULL,
    "key_id" UUID,
    "request_id" TEXT,
    "restored_from" INTEGER,

    CONSTRAINT "agent_version_pkey" PRIMARY KEY ("agent_id","version")
);

-- CreateIndex
CREATE INDEX "integration_company_integration_id_idx" ON "integration_company"("integration_id");

-- CreateIndex
CREATE UNIQUE INDEX "api_key_hash_key" ON "api_key"("hash");

-- CreateIndex
CREATE INDEX "api_key_company_id_idx" ON "api_key"("company_id");

-- CreateIndex
CREATE INDEX "api_key_integration_id_idx" ON "api_key"("integration_id");

-- CreateIndex
CREATE UNIQUE INDEX "company_phone_number_company_id_id_key" ON "company_phone_number"("company_id", "id");

-- CreateIndex
CREATE INDEX "agent_company_id_created_at_id_idx" ON "agent"("company_id", "created_at" DESC, "id" DESC);

-- AddForeignKey
ALTER TABLE "integration_company" ADD CONSTRAINT "integration_company_company_id_fkey" FOREIGN KEY ("company_id") REFERENCES "company"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "integration_company" ADD CONSTRAINT "integration_company_integration_id_fkey" FOREIGN KEY ("integration_id") REFERENCES "integration"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_company_id_fkey" FOREIGN KEY ("company_id") REFERENCES "company"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_integration_id_fkey" FOREIGN KEY ("integration_id") REFERENCES "integration"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "company_phone_number" ADD CONSTRAINT "company_phone_number_company_id_fkey" FOREIGN KEY ("company_id") REFERENCES "company"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "agent" ADD CONSTRAINT "agent_company_id_fkey" FOREIGN KEY ("company_id") REFERENCES "company"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "agent" ADD CONSTRAINT "agent_company_id_company_phone_number_id_fkey" FOREIGN KEY ("company_id", "company_phone_number_id") REFERENCES "company_phone_number"("company_id", "id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- What the Prisma schema cannot say.

ALTER TABLE "api_key" ADD CONSTRAINT "api_key_one_owner" CHECK (num_nonnulls("company_id", "integration_id") = 1);

ALTER TABLE "agent" ADD CONSTRAINT "agent_metadata_is_object" CHECK (jsonb_typeof("metadata") = 'object');
ALTER TABLE "agent" ADD CONSTRAINT "agent_questions_is_list" CHECK (jsonb_typeof("questions") = 'array');

-- Room on each page for the next version of a row, so that an update need not touch the indexes.
ALTER TABLE "agent" SET (fillfactor = 70);

-- A history entry never changes. Whole entries go only with their agent, by the operator's purge.
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'history entries never change';
END
$$;

CREATE TRIGGER "agent_version_never_changes" BEFORE UPDATE ON "agent_version"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
