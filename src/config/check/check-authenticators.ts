/**
 * Checks what a schema cannot say about authenticators: keys, hashes, addresses, field names.
 *
 * Thread: any (pure). Runs on the sound part of a configuration. No message repeats a secret.
 */

import { pointerOf } from '../../base/json-pointer.js';
import { algorithmsOf } from '../../base/json-web-key.js';
import { parsePasswordHash } from '../../base/password-hash.js';
import { GATEWAY_FIELDS, RESERVED_IN_REPLIES } from '../../base/reserved-fields.js';
import { urlProblem } from '../../base/safe-url.js';
import { spiffeIdProblem } from '../../base/spiffe-id.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type {
  ApiKeyAuthenticatorConfig,
  AuthenticatorConfig,
  BasicAuthenticatorConfig,
  CertificateAuthenticatorConfig,
  CredentialPlaceName,
  ForwardAuthenticatorConfig,
  HmacAuthenticatorConfig,
  JwtAuthenticatorConfig,
} from '../gateway-config.js';
import { credentialPlace } from '../references/credential-place.js';
import { noteFile } from '../references/files-read.js';
import { readKeyFile, readPublicKeys } from '../references/key-material.js';
import { CERTIFICATE_NAMES } from '../schema/authenticator-nodes.js';
import { checkHttpSignature } from './check-http-signature.js';

/** Least bytes of a secret, which is the size of the hash (RFC 7518 3.2). */
const SECRET_BYTES_MIN: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };

const KEY_FIELDS = [
  ...(['secret', 'secretFile', 'publicKey', 'publicKeyFile'] as const),
  ...(['jwksUri', 'discovery', 'tokenService'] as const),
];

type Sound<T> = SoundPart<T>;

/** One authenticator, and where to say what is wrong with it. */
class AuthenticatorCheck {
  constructor(
    private readonly name: string,
    private readonly findings: Findings,
  ) {}

  at(...keys: readonly (string | number)[]): string {
    return pointerOf('authenticators', this.name, ...keys);
  }

  /** Something is wrong with the shape already: that something is missing proves nothing. */
  get isBroken(): boolean {
    return this.findings.hasUnder(this.at());
  }

  value(message: string, ...keys: readonly (string | number)[]): void {
    this.findings.addValue(this.at(...keys), message);
  }

  key(message: string, ...keys: readonly (string | number)[]): void {
    this.findings.addKey(this.at(...keys), message);
  }

  url(url: string | undefined, allowHttp: boolean | undefined, field: string): void {
    if (url === undefined) return;
    const problem = urlProblem(url, allowHttp ?? false);
    if (problem !== '') this.value(problem, field);
  }
}

/** Checks one authenticator. */
export function checkAuthenticator(
  name: string,
  config: Sound<AuthenticatorConfig>,
  findings: Findings,
): void {
  const check = new AuthenticatorCheck(name, findings);
  checkOwnedFields(config, check);
  if ('from' in config) checkPlaces(config, check);
  if (config.type === 'jwt') checkJwt(config, check);
  if (config.type === 'apiKey') checkApiKeys(config, check);
  if (config.type === 'basic') checkUsers(config, check);
  if (config.type === 'introspection') check.url(config.url, config.allowHttp, 'url');
  if (config.type === 'forwardAuth') checkForward(config, check);
  if (config.type === 'clientCertificate') checkClients(config, check);
  if (config.type === 'hmac') checkHmac(config, check);
  if (config.type === 'httpSignature') {
    checkHttpSignature(config, (message, ...at) => check.value(message, ...at));
  }
}

function checkJwt(config: Sound<JwtAuthenticatorConfig>, check: AuthenticatorCheck): void {
  const given = KEY_FIELDS.filter(
    (field) => config[field] !== undefined && config[field] !== false,
  );
  if (given.length === 0 && !check.isBroken) {
    check.key(`needs one of ${KEY_FIELDS.join(', ')}: where the keys come from`);
  }
  const [first, second] = given;
  if (second !== undefined) {
    check.key(`there is ${first} already: keys come from one place only`, second);
  }
  if (config.discovery === true) {
    if (config.issuer === undefined) check.key('discovery needs issuer, whom to ask', 'discovery');
    else check.url(config.issuer, config.allowHttp, 'issuer');
  }
  check.url(config.jwksUri, config.allowHttp, 'jwksUri');
  if (first !== undefined) checkAlgorithms(config, first, check);
}

/** A public key must never be taken for a shared secret, nor the other way round. */
function checkAlgorithms(
  config: Sound<JwtAuthenticatorConfig>,
  field: (typeof KEY_FIELDS)[number],
  check: AuthenticatorCheck,
): void {
  const isShared = field === 'secret' || field === 'secretFile';
  const algorithms = config.algorithms ?? [];
  for (const [index, algorithm] of algorithms.entries()) {
    if (algorithm === undefined || algorithm.startsWith('HS') === isShared) continue;
    const wanted = isShared ? 'a public key' : 'a shared secret (secret, secretFile)';
    check.value(`${algorithm} needs ${wanted}, not ${field}`, 'algorithms', index);
  }
  if (field === 'secret') checkSecret(config.secret ?? '', algorithms, field, check);
  if (field === 'secretFile') {
    const text = fileText(config.secretFile, field, check);
    if (text !== undefined) checkSecret(text.replace(/\r?\n$/, ''), algorithms, field, check);
  }
  if (field === 'publicKey') checkPublicKey(config.publicKey ?? '', algorithms, field, check);
  if (field === 'publicKeyFile') {
    const text = fileText(config.publicKeyFile, field, check);
    if (text !== undefined) checkPublicKey(text, algorithms, field, check);
  }
}

function fileText(
  path: string | undefined,
  field: string,
  check: AuthenticatorCheck,
): string | undefined {
  if (path === undefined) return undefined;
  noteFile(path);
  const read = readKeyFile(path);
  if ('text' in read) return read.text;
  check.value(read.problem, field);
  return undefined;
}

function checkSecret(
  secret: string,
  algorithms: readonly (string | undefined)[],
  field: string,
  check: AuthenticatorCheck,
): void {
  const secretBytes = Buffer.byteLength(secret);
  let strictest: string | undefined;
  for (const algorithm of algorithms) {
    if (secretBytesMin(algorithm) > secretBytesMin(strictest)) strictest = algorithm;
  }
  const bytesMin = secretBytesMin(strictest);
  if (secretBytes >= bytesMin) return;
  const rule = `${strictest} needs a secret of at least ${bytesMin} bytes (RFC 7518 3.2)`;
  check.value(`${rule}, this one has ${secretBytes}`, field);
}

function secretBytesMin(algorithm: string | undefined): number {
  return algorithm === undefined ? 0 : (SECRET_BYTES_MIN[algorithm] ?? 0);
}

function checkPublicKey(
  text: string,
  algorithms: readonly (string | undefined)[],
  field: string,
  check: AuthenticatorCheck,
): void {
  const read = readPublicKeys(text);
  if ('problem' in read) {
    check.value(read.problem, field);
    return;
  }
  for (const key of read.keys) {
    const fitting = algorithmsOf(key);
    if (fitting.some((algorithm) => algorithms.includes(algorithm))) continue;
    const may = fitting.length === 0 ? 'none (RSA needs 2048 bits)' : fitting.join(', ');
    check.value(`a key fits none of the algorithms; it may be used with: ${may}`, field);
  }
}

function checkPlaces(
  {
    type,
    from = [],
  }: {
    readonly type?: string | undefined;
    readonly from?: readonly (CredentialPlaceName | undefined)[] | undefined;
  },
  check: AuthenticatorCheck,
): void {
  for (const [index, text] of from.entries()) {
    if (text === undefined) continue;
    const { kind, name } = credentialPlace(text);
    if (kind !== 'header' || (name === 'authorization' && type !== 'apiKey')) continue;
    if (GATEWAY_FIELDS.has(name)) {
      check.value(`the field ${name} has a meaning of its own; take another`, 'from', index);
    }
    if (name === 'cookie') check.value('name the cookie: cookie:NAME', 'from', index);
  }
}

function checkApiKeys(config: Sound<ApiKeyAuthenticatorConfig>, check: AuthenticatorCheck): void {
  const header = config.header?.toLowerCase();
  if (header !== undefined && config.from !== undefined) {
    check.key(`from says all of it; put header:${header} there`, 'header');
  }
  if (header !== undefined && GATEWAY_FIELDS.has(header)) {
    check.value(`the field ${header} has a meaning of its own; take another`, 'header');
  }
  if (config.keys === undefined && config.managed !== true && !check.isBroken) {
    check.key('needs keys, or managed: true for keys that are made at run time');
  }
  const seen = new Map<string, number>();
  for (const [index, key] of (config.keys ?? []).entries()) {
    if (key?.sha256 === undefined) continue;
    const digest = key.sha256.toLowerCase();
    const first = seen.get(digest);
    if (first === undefined) seen.set(digest, index);
    else check.value(`the same key as keys[${first}]`, 'keys', index, 'sha256');
    if (digest === SHA256_OF_NOTHING) {
      check.value('this is the hash of an empty key', 'keys', index, 'sha256');
    }
  }
}

const SHA256_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function checkUsers(config: Sound<BasicAuthenticatorConfig>, check: AuthenticatorCheck): void {
  const seen = new Map<string, number>();
  for (const [index, user] of (config.users ?? []).entries()) {
    const { id, passwordHash } = user ?? {};
    if (id !== undefined) {
      const first = seen.get(id.normalize('NFC'));
      if (first === undefined) seen.set(id.normalize('NFC'), index);
      else check.value(`the same name as users[${first}]`, 'users', index, 'id');
      if (id.includes(':')) {
        check.value('must not hold a colon (RFC 7617 2)', 'users', index, 'id');
      }
    }
    if (passwordHash === undefined) continue;
    const parsed = parsePasswordHash(passwordHash);
    if (typeof parsed === 'string') check.value(parsed, 'users', index, 'passwordHash');
  }
}

function checkForward(config: Sound<ForwardAuthenticatorConfig>, check: AuthenticatorCheck): void {
  check.url(config.url, config.allowHttp, 'url');
  const mayBeSent = new Set(['authorization', 'host']);
  for (const [index, name] of (config.requestHeaders ?? []).entries()) {
    const lower = name?.toLowerCase() ?? '';
    if (!GATEWAY_FIELDS.has(lower) || mayBeSent.has(lower)) continue;
    check.value(`the gateway itself is in charge of the field ${lower}`, 'requestHeaders', index);
  }
  const asksFor = config.requestHeaders;
  if (config.credentialCookies !== undefined && asksFor !== undefined) {
    const hasCookies = asksFor.some((name) => name?.toLowerCase() === 'cookie');
    if (!hasCookies) check.key('needs cookie in requestHeaders', 'credentialCookies');
  }
  for (const [index, name] of (config.responseHeaders ?? []).entries()) {
    const lower = name?.toLowerCase() ?? '';
    if (!GATEWAY_FIELDS.has(lower)) continue;
    check.value(`the gateway itself is in charge of the field ${lower}`, 'responseHeaders', index);
  }
  for (const [index, name] of (config.clientHeaders ?? []).entries()) {
    const lower = name?.toLowerCase() ?? '';
    if (!RESERVED_IN_REPLIES.has(lower)) continue;
    check.value(`the gateway itself is in charge of the field ${lower}`, 'clientHeaders', index);
  }
}

/** What a well-known sender does is not for the configuration to say. */
function checkHmac(config: Sound<HmacAuthenticatorConfig>, check: AuthenticatorCheck): void {
  if (config.format === undefined) return;
  for (const key of PLAIN_KEYS) {
    const value = config[key];
    if (value === undefined) continue;
    if (config.format !== 'plain') check.key('only `format: plain` takes it', key);
    const isField = key === 'header' || key === 'timestampHeader';
    if (isField && GATEWAY_FIELDS.has(value.toLowerCase())) {
      check.value('the field has a meaning of its own; take another', key);
    }
  }
}

const PLAIN_KEYS = [...(['header', 'prefix', 'encoding', 'algorithm', 'timestampHeader'] as const)];

function checkClients(
  config: Sound<CertificateAuthenticatorConfig>,
  check: AuthenticatorCheck,
): void {
  for (const [index, client] of (config.clients ?? []).entries()) {
    const id = client?.spiffeId;
    const problem = id === undefined ? '' : spiffeIdProblem(id);
    if (problem !== '') check.value(`"${id}" ${problem}`, 'clients', index, 'spiffeId');
    if (client === undefined || CERTIFICATE_NAMES.some((part) => client[part] !== undefined)) {
      continue;
    }
    const parts = CERTIFICATE_NAMES.join(', ');
    check.value(
      `needs one of ${parts}: every certificate would be this client's`,
      'clients',
      index,
    );
  }
}

function checkOwnedFields(config: Sound<AuthenticatorConfig>, check: AuthenticatorCheck): void {
  const seen = new Set<string>();
  for (const name of Object.keys(config.claimHeaders ?? {})) {
    const lower = name.toLowerCase();
    if (GATEWAY_FIELDS.has(lower)) {
      check.key(`the gateway itself is in charge of the field ${lower}`, 'claimHeaders', name);
    }
    if (seen.has(lower)) check.key(`the field ${lower} is set twice`, 'claimHeaders', name);
    seen.add(lower);
  }
}
