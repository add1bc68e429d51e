import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { signedHeaders } from '../../src/webhooks/signature.ts';
import { newSecret } from '../support/sending.ts';

const message = { id: 'msg_1', timestamp: Math.floor(Date.now() / 1_000), body: '{"name":"Jörg 面接 🎤"}' };

test('the signature equals that of the Standard Webhooks library', () => {
  const secret = newSecret();
  expect(signedHeaders(message, [secret])).toEqual({
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(message.timestamp),
    'webhook-signature': new Webhook(secret).sign(message.id, new Date(message.timestamp * 1_000), message.body),
  });
});

test('each of two secrets verifies alone, and a third one does not', () => {
  const secrets = [newSecret(), newSecret()];
  const headers = signedHeaders(message, secrets);
  for (const secret of secrets)
    expect(new Webhook(secret).verify(message.body, headers)).toEqual(JSON.parse(message.body));
  expect(() => new Webhook(newSecret()).verify(message.body, headers)).toThrow();
});

test.each([
  ['another body', { body: `${message.body} ` }],
  ['another id', { id: 'msg_2' }],
])('%s does not verify', (_, changed) => {
  const secret = newSecret();
  const { id, body } = { ...message, ...changed };
  const headers = { ...signedHeaders(message, [secret]), 'webhook-id': id };
  expect(() => new Webhook(secret).verify(body, headers)).toThrow();
});

test('a secret that is not in the format of Standard Webhooks is refused, and the error does not contain it', () => {
  expect(() => signedHeaders(message, ['plain-secret'])).toThrow(
    'the secret of an endpoint does not begin with whsec_',
  );
});
