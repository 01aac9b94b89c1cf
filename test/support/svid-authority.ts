/**
 * The authority of a trust domain for one test run: signs certificates of workloads (X.509-SVID),
 * sound ones and others. Written byte by byte, as no tool writes what must not be; what is sound in
 * it is judged by OpenSSL in every handshake.
 */
import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from 'node:crypto';
import type { TestCertificate } from './test-certificate.js';

const DAY_MS = 86_400_000;

const KEY_USAGES = { digitalSignature: 0, keyAgreement: 4, keyCertSign: 5, cRLSign: 6 } as const;
const PURPOSES = { serverAuth: 1, clientAuth: 2 } as const;
const NAME_TAGS = { email: 0x81, DNS: 0x82, URI: 0x86 } as const;

export interface SvidWish {
  /** `URI:…`, `DNS:…`, `email:…`. */
  readonly names?: readonly string[];
  /** Until then, from a day ago on; default: one. Negative: it has expired. */
  readonly days?: number;
  /** Whether it says that it is an authority; null: it says nothing. Default: false. */
  readonly ca?: boolean | null;
  /** Empty: the extension is not there. Default: for signatures. */
  readonly keyUsage?: readonly (keyof typeof KEY_USAGES)[];
  /** Default: both. */
  readonly purposes?: readonly (keyof typeof PURPOSES)[];
}

interface Issuer {
  readonly name: Buffer;
  readonly key: KeyObject;
}

/** An intermediate authority, or that of a trust domain. */
export class SvidAuthority {
  /** PEM. */
  readonly cert: string;
  private readonly name: Buffer;
  private readonly key: KeyObject;

  constructor(
    readonly trustDomain: string,
    private readonly parent: SvidAuthority | null = null,
  ) {
    this.name = nameOf(`${trustDomain} ${parent === null ? 'root' : 'intermediate'}`);
    const pair = newPair();
    this.key = pair.privateKey;
    const wish = {
      ...{ ca: true, keyUsage: ['keyCertSign', 'cRLSign'] as const, purposes: [] },
      names: [`URI:spiffe://${trustDomain}`],
    };
    const issuer = parent === null ? { name: this.name, key: this.key } : parent.issuer;
    this.cert = makeCertificate(issuer, { name: this.name, key: pair.publicKey }, wish);
  }

  /** The bundle of the trust domain, as the Workload API has it. */
  get bundle(): Buffer {
    return derOf(this.cert);
  }

  idOf(path: string): string {
    return `spiffe://${this.trustDomain}${path}`;
  }

  /** The certificate of the workload with this path. */
  svid(path: string, wish: SvidWish = {}): TestCertificate {
    return this.sign({ names: [`URI:${this.idOf(path)}`], ...wish });
  }

  /** The certificate, and behind it those that lead to the root. */
  sign(wish: SvidWish): TestCertificate {
    const { privateKey, publicKey } = newPair();
    const cert = makeCertificate(this.issuer, { name: nameOf('workload'), key: publicKey }, wish);
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { key, cert: cert + (this.parent === null ? '' : this.cert) };
  }

  private get issuer(): Issuer {
    return { name: this.name, key: this.key };
  }
}

/** All certificates of a text, one behind the other. */
export function derOf(pem: string): Buffer {
  const parts = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return Buffer.concat(parts.map((part) => new X509Certificate(part).raw));
}

export function keyDerOf(pem: string): Buffer {
  return createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
}

function newPair(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

let serial = 0x1000;

/** RFC 5280 4.1. */
function makeCertificate(
  issuer: Issuer,
  subject: { readonly name: Buffer; readonly key: KeyObject },
  wish: SvidWish,
): string {
  serial += 1;
  const nowMs = Date.now();
  const untilMs = nowMs + (wish.days ?? 1) * DAY_MS;
  const validity = der(0x30, time(Math.min(nowMs, untilMs) - DAY_MS), time(untilMs));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(serial >> 8, serial & 0xff)),
    ECDSA_WITH_SHA256,
    issuer.name,
    validity,
    subject.name,
    subject.key.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, ...extensionsOf(wish))),
  );
  const signature = der(0x03, Buffer.of(0), sign('sha256', body, issuer.key));
  const whole = der(0x30, body, ECDSA_WITH_SHA256, signature);
  return new X509Certificate(whole).toString();
}

function extensionsOf({ names = [], ca = false, keyUsage, purposes }: SvidWish): Buffer[] {
  const made: Buffer[] = [];
  if (ca !== null) {
    made.push(extension('551d13', true, der(0x30, ...(ca ? [der(0x01, Buffer.of(0xff))] : []))));
  }
  const usages = keyUsage ?? ['digitalSignature'];
  if (usages.length > 0) {
    const bits = usages.reduce((all, usage) => all | (0x80 >> KEY_USAGES[usage]), 0);
    made.push(extension('551d0f', true, der(0x03, Buffer.of(0, bits))));
  }
  const forWhat = (purposes ?? ['serverAuth', 'clientAuth']).map((purpose) =>
    der(0x06, Buffer.concat([Buffer.from('2b060105050703', 'hex'), Buffer.of(PURPOSES[purpose])])),
  );
  if (forWhat.length > 0) made.push(extension('551d25', false, der(0x30, ...forWhat)));
  const entries = names.map((one) => {
    const [kind = ''] = one.split(':');
    const value = Buffer.from(one.slice(kind.length + 1), 'latin1');
    return der(NAME_TAGS[kind as keyof typeof NAME_TAGS], value);
  });
  if (entries.length > 0) made.push(extension('551d11', false, der(0x30, ...entries)));
  return made;
}

function extension(oid: string, isCritical: boolean, content: Buffer): Buffer {
  const critical = isCritical ? [der(0x01, Buffer.of(0xff))] : [];
  return der(0x30, der(0x06, Buffer.from(oid, 'hex')), ...critical, der(0x04, content));
}

function nameOf(commonName: string): Buffer {
  const value = der(0x0c, Buffer.from(commonName));
  return der(0x30, der(0x31, der(0x30, der(0x06, Buffer.from('550403', 'hex')), value)));
}

function time(unixMs: number): Buffer {
  const text = new Date(unixMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(text));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), body]);
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), body]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), body]);
}

const ECDSA_WITH_SHA256 = der(0x30, der(0x06, Buffer.from('2a8648ce3d040302', 'hex')));
