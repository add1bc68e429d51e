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
  async function change(id: string, status: 'ENABLED' | 'DISABLED', disabledReason: string | null) {
    const [changed] = await prisma.$transaction(async (tx) => {
      await tx.$executeRaw(lockEndpointStatement(id));
      const stored = await tx.webhookEndpoint.findUnique({ where: { id }, select: { updatedAt: true } });
      // Later than before, also if the clock was set back, as by a failover: receivers see by it that the endpoint was changed.
      const now = (await databaseTime(tx)).getTime();
      const updatedAt = new Date(Math.max(now, (stored?.updatedAt.getTime() ?? 0) + 1));
      const webhooks = await tx.webhookEndpoint.updateManyAndReturn({
        where: { id, status: { not: status } },
        data: { status, disabledReason, failingSince: null, updatedAt },
        select: shown,
      });
      for (const { companyId, integrationId, status } of webhooks) {
        const action = status === 'ENABLED' ? 'webhook.enabled' : 'webhook.disabled';
        const details = { webhookId: id, ...(disabledReason !== null && { reason: disabledReason }) };
        await tx.auditEntry.create({ data: { action, operator, companyId, integrationId, details } });
      }
      return webhooks;
    });
    const found = changed ?? (await prisma.webhookEndpoint.findUnique({ where: { id }, select: shown }));
    if (!found) throw new UnknownIdError('webhook', id);
    return found;
  }

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
