import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { callsOf } from '../support/calls.ts';
import { build, makeFolder, startServer } from '../support/process.ts';
import { storeEndpoint } from '../support/sending.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

beforeAll(build);

/** Makes certificates in a folder with openssl: `NAME.pem` and `NAME.key`. */
function certificatesIn(folder: string) {
  const openssl = (...parameters: string[]) => execFileSync('openssl', parameters, { cwd: folder, stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  return {
    selfSigned: (name: string, subject: string) =>
      openssl(
        ...['req', '-x509', ...key, '-days', '2', '-subj', `/CN=${name}`, '-addext', `subjectAltName=${subject}`],
        ...['-keyout', `${name}.key`, '-out', `${name}.pem`],
      ),
    signed(name: string, subject: string, days: number): void {
      openssl(
        ...['req', ...key, '-subj', `/CN=${name}`, '-addext', `subjectAltName=${subject}`],
        ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
      );
      openssl(
        ...['x509', '-req', '-in', `${name}.csr`, '-days', `${days}`, '-copy_extensions', 'copy', '-CAcreateserial'],
        ...['-CA', 'authority.pem', '-CAkey', 'authority.key', '-out', `${name}.pem`],
      );
    },
  };
}

/** A receiver at 127.0.0.1 with a certificate; returns its URL and the number of requests. */
async function openSecureReceiver(folder: string, name: string) {
  const [cert, key] = await Promise.all(['pem', 'key'].map((kind) => readFile(join(folder, `${name}.${kind}`))));
  let requests = 0;
  const server = createServer({ cert, key }, (_, response) => {
    requests += 1;
    response.writeHead(204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `https://127.0.0.1:${port}/hook`, requests: () => requests };
}

test('an event is sent over https only to a receiver with a valid certificate for its host, and the delivery names the error', async () => {
  const folder = await makeFolder();
  const { selfSigned, signed } = certificatesIn(folder);
  selfSigned('authority', 'DNS:authority.example');
  selfSigned('self-signed', 'IP:127.0.0.1');
  signed('valid', 'IP:127.0.0.1', 2);
  signed('other-host', 'IP:127.0.0.2,DNS:receiver.example', 2);
  signed('expired', 'IP:127.0.0.1', -1);
  const { origin } = await startServer({
    ...{ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, WEBHOOK_ALLOW_NETWORKS: '127.0.0.1' },
    NODE_EXTRA_CA_CERTS: join(folder, 'authority.pem'),
  });
  const { id: companyId, key } = await world.company();

  const expectOutcome = (name: string, outcome: object) =>
    unlessTooSlow(async ({ timed }) => {
      const { call } = callsOf(origin, timed);
      const { url, requests } = await openSecureReceiver(folder, name);
      const { id } = await storeEndpoint(world, companyId, url);
      expect(await call(key, `POST /webhooks/${id}/ping`)).toMatchObject({ status: 202 });
      const attempted = async () => {
        const delivery = Object((await call(key, `GET /webhooks/${id}/deliveries`)).body).data?.[0];
        return delivery?.attempts > 0 && delivery;
      };
      const { status, lastStatus, lastError } = await vi.waitUntil(attempted, { timeout: 60_000 });
      expect({ status, lastStatus, lastError, requests: requests() }).toEqual(outcome);
    });

  const refused = { status: 'PENDING', lastStatus: null, requests: 0 };
  await expectOutcome('valid', { status: 'DELIVERED', lastStatus: 204, lastError: null, requests: 1 });
  await expectOutcome('self-signed', { ...refused, lastError: 'no answer: DEPTH_ZERO_SELF_SIGNED_CERT' });
  await expectOutcome('other-host', { ...refused, lastError: 'no answer: ERR_TLS_CERT_ALTNAME_INVALID' });
  await expectOutcome('expired', { ...refused, lastError: 'no answer: CERT_HAS_EXPIRED' });
});
