import type { KeyOwner } from '../auth/api-key.ts';
import { databaseTime } from '../database/clock.ts';
import { UnknownIdError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { lockEndpointStatement } from './endpoint.statements.ts';

/** What operators see of an endpoint: no secret and no value of a header. */
// biome-ignore format: a list
const shown = {
  id: true, companyId: true, integrationId: true, url: true, events: true, description: true, headerNames: true, status: true,
  disabledReason: true, createdAt: true, updatedAt: true, lastSuccessAt: true, lastFailureAt: true,
} as const;

/**
 * The operator's commands on webhook endpoints. Each change is committed together with its audit entry.
 * @param operator the name for the audit entries
 */
export function operatorWebhooks(prisma: PrismaClient, operator: string) {
  const change = (id: string, status: 'ENABLED' | 'DISABLED', disabledReason: string | null) =>
    prisma.$transaction(async (tx) => {
      await tx.$executeRaw(lockEndpointStatement(id));
      const stored = await tx.webhookEndpoint.findUnique({ where: { id }, select: shown });
      if (!stored) throw new UnknownIdError('webhook', id);
      if (stored.status === status) return stored;
      const { companyId, integrationId } = stored;
      const action = status === 'ENABLED' ? 'webhook.enabled' : 'webhook.disabled';
      const details = { webhookId: id, ...(disabledReason !== null && { reason: disabledReason }) };
      await tx.auditEntry.create({ data: { action, operator, companyId, integrationId, details } });
      // Later than before, also if the clock was set back, as by a failover: receivers see by it that the endpoint was changed.
      const updatedAt = new Date(Math.max((await databaseTime(tx)).getTime(), stored.updatedAt.getTime() + 1));
      const data = { status, disabledReason, failingSince: null, updatedAt };
      return await tx.webhookEndpoint.update({ where: { id }, data, select: shown });
    });

  return {
    /** All endpoints of an owner, the oldest first. */
    list: ({ companyId, integrationId }: KeyOwner) =>
      prisma.webhookEndpoint.findMany({
        // Prisma compares with null by IS NULL, so both can be given: an endpoint has exactly one of the two.
        where: { companyId, integrationId },
        select: shown,
        orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
      }),

    /** Stops deliveries to an endpoint until it is enabled. Idempotent. @throws UnknownIdError */
    disable: (id: string) => change(id, 'DISABLED', 'The operator of the server disabled it.'),

    /** Enables an endpoint; its pending deliveries are sent. Idempotent. @throws UnknownIdError */
    enable: (id: string) => change(id, 'ENABLED', null),
  };
}
