import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A certificate and its private key, in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

// X.509 (RFC 5280) in DER: a tag, the length, and the content. Without openssl, which `npm test` does not need.
const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const octets = (content: Uint8Array) => der(0x04, content);
const bits = (content: Uint8Array) => der(0x03, Buffer.from([0]), content);
const hex = (text: string) => Buffer.from(text, 'hex');

const ecdsaWithSha256 = sequence(der(0x06, hex('2a8648ce3d040302')));
/** A name of one part, the common name. */
const nameOf = (name: string) => sequence(der(0x31, sequence(der(0x06, hex('550403')), der(0x0c, Buffer.from(name)))));
const time = (date: Date) => der(0x18, Buffer.from(`${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`));

/** A critical extension: whether it is the certificate of an authority. */
const ofAuthority = (isAuthority: boolean) =>
  sequence(
    ...[der(0x06, hex('551d13')), der(0x01, hex('ff'))],
    octets(sequence(...(isAuthority ? [der(0x01, hex('ff'))] : []))),
  );
const forHost = (host: string) => sequence(der(0x06, hex('551d11')), octets(sequence(der(0x82, Buffer.from(host)))));

interface Draft {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly isAuthority: boolean;
}

const hour = 3_600_000;

/** An authority, whose certificates are valid for an hour. */
export function makeAuthority() {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let serial = 0;
  function certify({ name, publicKey, isAuthority }: Draft): string {
    serial += 1;
    const draft = sequence(
      ...[der(0xa0, der(0x02, Buffer.from([2]))), der(0x02, Buffer.from([serial])), ecdsaWithSha256],
      ...[nameOf('authority'), sequence(time(new Date(Date.now() - hour)), time(new Date(Date.now() + hour)))],
      ...[nameOf(name), publicKey.export({ type: 'spki', format: 'der' })],
      der(0xa3, sequence(ofAuthority(isAuthority), ...(isAuthority ? [] : [forHost(name)]))),
    );
    const all = sequence(draft, ecdsaWithSha256, bits(sign('sha256', draft, own.privateKey)));
    return `-----BEGIN CERTIFICATE-----\n${all.toString('base64')}\n-----END CERTIFICATE-----\n`;
  }
  return {
    /** Its own certificate, in PEM. */
    cert: certify({ name: 'authority', publicKey: own.publicKey, isAuthority: true }),
    /** A certificate for a host name. */
    certificateOf(host: string): Certificate {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      return { cert: certify({ name: host, publicKey, isAuthority: false }), key };
    },
  };
}
