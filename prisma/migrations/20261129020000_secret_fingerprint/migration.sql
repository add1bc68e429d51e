-- A fingerprint of the secret that keys are stored under, in one row: a server that has another secret does not start. It
-- is short on purpose, so that whoever reads it can tell little about the secret.
CREATE TABLE "secret_fingerprint" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "fingerprint" TEXT NOT NULL,
    "recorded_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "secret_fingerprint_pkey" PRIMARY KEY ("id")
);

-- What the Prisma schema cannot say.
ALTER TABLE "secret_fingerprint" ADD CONSTRAINT "secret_fingerprint_one_row" CHECK ("id" = 1);
ALTER TABLE "secret_fingerprint" ADD CONSTRAINT "secret_fingerprint_form" CHECK ("fingerprint" ~ '^[0-9a-f]{4}$');
