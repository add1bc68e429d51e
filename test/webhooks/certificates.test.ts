import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { failure } from '../support/attempts.ts';
import { type Certificate, makeAuthority } from '../support/certificates.ts';
import { makeFolder, runProgram } from '../support/process.ts';
import { patience } from '../support/time-limits.ts';

/** A receiver at 127.0.0.1 with a certificate; returns its port, and the names that TLS asked for in requests. */
async function openSecureReceiver(certificate: Certificate) {
  const asked: unknown[] = [];
  const server = createServer({ ...certificate }, ({ socket }, response) => {
    asked.push('servername' in socket && socket.servername);
    response.writeHead(204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { port, asked };
}

const source = pathToFileURL(join(import.meta.dirname, '..', '..', 'src', 'webhooks', 'attempt.ts')).href;

/** Sends an attempt to each URL, whose name is resolved to 127.0.0.1. */
const program = `
  import { attemptSender } from ${JSON.stringify(source)};
  const rules = { allowHttp: false, allowNetworks: ['127.0.0.1'], limits: { longestAttempt: ${patience} } };
  const { send, close } = attemptSender({ ...rules, resolve: async () => ['127.0.0.1'] });
  const results = [];
  for (const url of process.argv.slice(1))
    results.push(await send({ url, eventId: 'msg_1', body: '{}', secrets: ['whsec_c2VjcmV0'], headers: {} }));
  await close();
  console.log(JSON.stringify(results));`;

test('a name that leads to a receiver with the certificate of another name gets nothing, and with its own the event', async () => {
  const folder = await makeFolder();
  const authority = makeAuthority();
  const file = join(folder, 'authority.pem');
  await writeFile(file, authority.cert);
  const own = await openSecureReceiver(authority.certificateOf('receiver.example'));
  const other = await openSecureReceiver(authority.certificateOf('other.example'));
  const urls = [own, other].map(({ port }) => `https://receiver.example:${port}/hook`);
  // A process of its own: Node reads the variable at its start alone.
  const { stdout, stderr } = await runProgram(['--import', 'tsx', '--input-type=module', '--eval', program, ...urls], {
    env: { NODE_EXTRA_CA_CERTS: file },
  });
  expect([JSON.parse(stdout), stderr]).toEqual([
    [{ isDelivered: true, status: 204, error: null, answer: '' }, failure('no answer: ERR_TLS_CERT_ALTNAME_INVALID')],
    '',
  ]);
  expect([own.asked, other.asked]).toEqual([['receiver.example'], []]);
});
