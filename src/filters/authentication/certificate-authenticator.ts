/**
 * Client certificates (RFC 8446 4.4.2), which the listener has verified: whose they are.
 *
 * Thread: worker. Owns a bounded number of remembered certificates. A certificate that expires
 * while its connection goes on is refused from then on.
 */
import {
  type ClientCertificate,
  readCertificate,
  spiffeId,
} from '../../base/client-certificate.js';
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  refused,
} from './authenticator.js';
import { ExpiringMemory } from './expiring-memory.js';
import { encodeControls, makeIdentity } from './identity.js';
import type { CertificateName, CompiledCertificateAuthenticator } from './options.js';

const REMEMBERED_MAX = 4096;
/** Characters of all certificates that are remembered. */
const REMEMBERED_CHARS_MAX = 16 * 1024 * 1024;
/** For the target, in the form that Envoy has given it. */
const FIELD = 'x-forwarded-client-cert';

const EXPIRED = refused('the client certificate has expired');
const UNKNOWN = 'the client certificate is not known';

export class CertificateAuthenticator implements Authenticator {
  readonly name: string;
  readonly challenge = 'ClientCertificate realm="sluice"';
  readonly isBearer = false;
  readonly ownedFields: readonly string[];
  readonly stripsAuthorization = false;
  readonly readsAuthorization = false;

  private readonly remembered = new ExpiringMemory<AuthenticationResult>(
    REMEMBERED_MAX,
    REMEMBERED_CHARS_MAX,
  );

  constructor(private readonly config: CompiledCertificateAuthenticator) {
    this.name = config.name;
    this.ownedFields = [...config.claimHeaders.map(([header]) => header), FIELD];
  }

  authenticate({ certificate: text }: AuthenticationRequest, now: number): AuthenticationResult {
    if (text === '') return ABSENT;
    const known = this.remembered.get(text, now);
    if (known !== undefined) return known;
    const certificate = readCertificate(text);
    if (certificate === null) return ABSENT;
    if (now >= certificate.expiresAt) return EXPIRED;
    const result = this.judge(certificate);
    const { expiresAt } = certificate;
    this.remembered.set(text, result, { expiresAt, weight: text.length });
    return result;
  }

  private judge(certificate: ClientCertificate): AuthenticationResult {
    const { clients, consumerFrom, forwardCredentials } = this.config;
    const client = clients?.find(({ parts }) =>
      parts.every(([part, value]) => namesOf(certificate, part).includes(value)),
    );
    if (clients !== null && client === undefined) {
      return refused(UNKNOWN, `no client has the certificate of ${certificate.subject}`);
    }
    const consumer = client?.id ?? namesOf(certificate, consumerFrom)[0] ?? '';
    if (consumer === '') return refused(UNKNOWN, `the certificate has no ${consumerFrom}`);
    const claims = claimsOf(certificate, consumer, client?.scopes ?? []);
    const identity = makeIdentity(consumer, claims, this.config);
    if (identity === undefined) return refused('a name in the client certificate is too long');
    if (!forwardCredentials) return { verdict: 'accepted', identity };
    const fields = [...identity.fields, FIELD, forwardedText(certificate)];
    return { verdict: 'accepted', identity: { ...identity, fields } };
  }
}

function claimsOf(
  certificate: ClientCertificate,
  sub: string,
  scopes: readonly string[],
): Readonly<Record<string, unknown>> {
  const { expiresAt: exp, ...facts } = certificate;
  const [commonName] = namesOf(certificate, 'commonName');
  const id = spiffeId(certificate);
  return {
    ...facts,
    ...{ sub, exp, scope: scopes.join(' ') },
    ...(commonName !== undefined && { commonName }),
    ...(id !== '' && { spiffeId: id }),
  };
}

/** The names of one kind. */
function namesOf(certificate: ClientCertificate, part: CertificateName): readonly string[] {
  switch (part) {
    case 'dns':
      return certificate.dns;
    case 'uri':
      return certificate.uris;
    case 'email':
      return certificate.emails;
    case 'spiffeId':
      return [spiffeId(certificate)].filter((id) => id !== '');
    case 'commonName':
      return commonNames(certificate.subject);
    default:
      return [certificate[part]].filter((value) => value !== '');
  }
}

/** Values of CN in a subject as RFC 4514 writes it; `\,` is a comma that belongs to a value. */
function commonNames(subject: string): string[] {
  const parts = subject.match(/(?:[^,\\]|\\.)+/g) ?? [];
  const own = parts.filter((part) => part.startsWith('CN='));
  return own.map((part) => part.slice(3).replaceAll(/\\(.)/g, '$1'));
}

/** `Hash=…;Subject="…";URI=…;DNS=…`: what has a meaning in it stands in quotes. */
function forwardedText({ sha256, subject, uris, dns }: ClientCertificate): string {
  const parts = [
    `Hash=${sha256}`,
    `Subject=${quoted(subject)}`,
    ...uris.map((uri) => `URI=${bare(uri)}`),
    ...dns.map((name) => `DNS=${bare(name)}`),
  ];
  return encodeControls(parts.join(';'));
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

function bare(text: string): string {
  return /[,;="\\ ]/.test(text) ? quoted(text) : text;
}
