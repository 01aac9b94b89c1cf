/**
 * The annotations of ingress-nginx: what becomes of each.
 *
 * Thread: any (pure). An annotation that is not known here refuses its object: it may be one that
 * keeps somebody out.
 */
import type { CorsConfig, RateLimitConfig } from '../gateway-config.js';
import {
  readBoolean,
  readInteger,
  readList,
  readSeconds,
  readSize,
  readStatuses,
} from './annotation-values.js';
import { HARMLESS_ANNOTATIONS, REFUSED_ANNOTATIONS } from './refused-annotations.js';

const DAY_S = 86_400;
const GIB = 2 ** 30;
const NAMES_MAX = 64;
const BURST_TIMES = 5;
const COOKIE = 'INGRESSCOOKIE';
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const CORS_METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'];
const CORS_HEADERS = [
  ...['DNT', 'Keep-Alive', 'User-Agent', 'X-Requested-With', 'If-Modified-Since'],
  ...['Cache-Control', 'Content-Type', 'Range', 'Authorization'],
];

export interface CanaryOptions {
  readonly weight: number;
  readonly total: number;
  /** '': none. */
  readonly header: string;
  readonly value: string;
  readonly pattern: string;
  readonly cookie: string;
}

export interface ForwardAuthOptions {
  readonly url: string;
  readonly responseHeaders: readonly string[];
}

/** How the endpoints are reached. */
export interface BackendOptions {
  readonly scheme: 'http' | 'https';
  readonly protocol: 'http1' | 'h2' | 'h2c';
  readonly mode: 'endpoints' | 'service';
  readonly connectSeconds: number | null;
  readonly readSeconds: number | null;
  readonly cookie: { readonly name: string; readonly maxAgeSeconds: number | null } | null;
  readonly policy: 'roundRobin' | 'leastRequest' | 'consistentHash';
  readonly hashOn: string;
}

export interface IngressOptions {
  /** Regular expressions may stand in paths. */
  readonly usesExpressions: boolean;
  /** '': paths go on as they are. */
  readonly rewriteTarget: string;
  readonly sslRedirect: boolean;
  readonly forcesSsl: boolean;
  readonly aliases: readonly string[];
  readonly appRoot: string;
  readonly redirect: { readonly to: string; readonly status: number } | null;
  readonly bodyBytes: number | null;
  readonly cors: CorsConfig | null;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly limits: readonly RateLimitConfig[];
  readonly forwardAuth: ForwardAuthOptions | null;
  /** Name of the secret with the users; '': none. */
  readonly basicSecret: string;
  readonly errorStatuses: readonly number[];
  readonly forwardedPrefix: string;
  readonly canary: CanaryOptions | null;
  readonly backend: BackendOptions;
  /** What is there and changes nothing. */
  readonly notes: readonly string[];
}

type Say = (problem: string) => void;

/** Reads values, and says of each that makes no sense. */
class Annotations {
  constructor(
    private readonly all: ReadonlyMap<string, string>,
    readonly say: Say,
  ) {}

  has(name: string): boolean {
    return this.all.has(name);
  }

  text(name: string): string {
    return (this.all.get(name) ?? '').trim();
  }

  /** What `read` makes of it; `absent` where it is not there, or makes no sense. */
  read<T, A>(name: string, read: (text: string) => T | undefined, absent: A): T | A {
    if (!this.all.has(name)) return absent;
    const value = read(this.text(name));
    if (value !== undefined) return value;
    this.say(`${name}: ${JSON.stringify(this.text(name).slice(0, 100))} makes no sense here`);
    return absent;
  }

  is(name: string, absent = false): boolean {
    return this.read(name, readBoolean, absent);
  }

  /** A text without anything that nginx would replace. */
  plain(name: string): string {
    return this.read(name, (text) => (/[$\s{}"';]/.test(text) ? undefined : text), '');
  }
}

/** What is wrong goes to `say`; the object is not to be used then. */
export function readAnnotations(all: ReadonlyMap<string, string>, say: Say): IngressOptions {
  const notes: string[] = [];
  for (const name of all.keys()) {
    const refusal = REFUSED_ANNOTATIONS.get(name);
    const harmless = HARMLESS_ANNOTATIONS.get(name);
    if (refusal !== undefined) say(`${name} is not supported: ${refusal}`);
    else if (harmless !== undefined) notes.push(`${name} changes nothing: ${harmless}`);
    else if (!SUPPORTED_ANNOTATIONS.includes(name)) say(`${name} is not known`);
  }
  const read = new Annotations(all, say);
  return {
    usesExpressions: read.is('use-regex'),
    rewriteTarget: read.read('rewrite-target', rewriteTarget, ''),
    sslRedirect: read.is('ssl-redirect', true),
    forcesSsl: read.is('force-ssl-redirect'),
    aliases: readList(read.text('server-alias')),
    appRoot: read.read('app-root', (text) => (/^\/[!#%-~]*$/.test(text) ? text : undefined), ''),
    redirect: redirectOf(read),
    bodyBytes: bodyBytesOf(read),
    cors: read.is('enable-cors') ? corsOf(read, notes) : null,
    allow: [
      ...read.read('whitelist-source-range', ranges, []),
      ...read.read('allowlist-source-range', ranges, []),
    ],
    deny: read.read('denylist-source-range', ranges, []),
    limits: limitsOf(read),
    forwardAuth: forwardAuthOf(read),
    basicSecret: basicSecretOf(read),
    errorStatuses: read.read('custom-http-errors', readStatuses, []),
    forwardedPrefix: read.plain('x-forwarded-prefix'),
    canary: read.is('canary') ? canaryOf(read) : null,
    backend: backendOf(read),
    notes,
  };
}

/** An empty list would let everybody in. */
function ranges(text: string): string[] | undefined {
  const list = readList(text);
  return list.length === 0 ? undefined : list;
}

function rewriteTarget(text: string): string | undefined {
  return /^\/[!#-'*-~]*$/.test(text) && !/\$(?!\d)|[{}]/.test(text) ? text : undefined;
}

function redirectOf(read: Annotations): IngressOptions['redirect'] {
  const permanent = read.plain('permanent-redirect');
  const temporal = read.plain('temporal-redirect');
  const status = (text: string) => [301, 302, 303, 307, 308].find((one) => String(one) === text);
  const permanentStatus = read.read('permanent-redirect-code', status, 301);
  const temporalStatus = read.read('temporal-redirect-code', status, 302);
  // As there: the one that is temporary goes before.
  if (temporal !== '') return { to: temporal, status: temporalStatus };
  return permanent === '' ? null : { to: permanent, status: permanentStatus };
}

/** null: the bound of the gateway. */
function bodyBytesOf(read: Annotations): number | null {
  const bytes = read.read('proxy-body-size', readSize, 0);
  return bytes === 0 || bytes > GIB ? null : bytes;
}

function corsOf(read: Annotations, notes: string[]): CorsConfig {
  const origins = readList(read.text('cors-allow-origin'));
  const isEverybody = origins.length === 0 || origins.includes('*');
  const wantsCredentials = read.is('cors-allow-credentials', true);
  if (isEverybody && wantsCredentials && read.has('cors-allow-credentials')) {
    notes.push('cors-allow-credentials needs a list of origins: no browser takes it with "*"');
  }
  const seconds = read.read('cors-max-age', (text) => readInteger(text, 0, 1e9), DAY_S);
  const methods = readList(read.text('cors-allow-methods')).map((one) => one.toUpperCase());
  const headers = readList(read.text('cors-allow-headers'));
  const exposed = readList(read.text('cors-expose-headers'));
  return {
    origins: isEverybody ? ['*'] : [...new Set(origins)],
    methods: methods.length > 0 ? [...new Set(methods)] : CORS_METHODS,
    headers: headers.length > 0 ? [...new Set(headers)] : CORS_HEADERS,
    ...(exposed.length > 0 && { exposeHeaders: [...new Set(exposed)] }),
    credentials: wantsCredentials && !isEverybody,
    maxAge: `${Math.min(seconds, DAY_S)}s`,
  };
}

function limitsOf(read: Annotations): RateLimitConfig[] {
  const limits: RateLimitConfig[] = [];
  const times = read.read(
    'limit-burst-multiplier',
    (text) => readInteger(text, 1, 1000),
    BURST_TIMES,
  );
  const count = (text: string) => readInteger(text, 0, 100_000);
  for (const [name, window] of [
    ['limit-rps', '1s'],
    ['limit-rpm', '1m'],
  ] as const) {
    const limit = read.read(name, count, 0);
    if (limit === 0) continue;
    const burst = Math.min(1_000_000, limit * times);
    limits.push({ limit, window, algorithm: 'tokenBucket', burst, key: 'clientIp' });
  }
  const connections = read.read('limit-connections', count, 0);
  if (connections > 0) limits.push({ maxInFlight: connections, key: 'clientIp' });
  return limits;
}

function forwardAuthOf(read: Annotations): ForwardAuthOptions | null {
  const url = read.plain('auth-url');
  const method = read.text('auth-method');
  if (method !== '' && method !== 'GET') read.say(`auth-method: only GET is supported`);
  if (url === '') {
    if (read.has('auth-url')) read.say('auth-url: a variable of nginx is not supported');
    return null;
  }
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) read.say('auth-url: is no URL');
  return { url, responseHeaders: readList(read.text('auth-response-headers')) };
}

function basicSecretOf(read: Annotations): string {
  if (!read.has('auth-type')) {
    if (read.has('auth-secret')) read.say('auth-secret: needs auth-type: basic');
    return '';
  }
  const secret = read.text('auth-secret');
  if (read.text('auth-type') !== 'basic') read.say('auth-type: only basic is supported');
  if (secret === '') read.say('auth-type: needs auth-secret');
  const kind = read.text('auth-secret-type');
  if (kind !== '' && kind !== 'auth-file') {
    read.say('auth-secret-type: only auth-file is supported');
  }
  return secret;
}

function canaryOf(read: Annotations): CanaryOptions {
  const total = read.read('canary-weight-total', (text) => readInteger(text, 1, 1000), 100);
  const weight = read.read('canary-weight', (text) => readInteger(text, 0, 1000), 0);
  if (weight > total) read.say(`canary-weight: is more than ${total}`);
  const token = (text: string) => (TOKEN.test(text) ? text : undefined);
  const header = read.read('canary-by-header', token, '');
  const value = read.plain('canary-by-header-value');
  const pattern = read.text('canary-by-header-pattern');
  if (header === '' && (value !== '' || pattern !== '')) {
    read.say('canary-by-header-value: needs canary-by-header');
  }
  const cookie = read.read('canary-by-cookie', token, '');
  return { weight, total, header, value, pattern, cookie };
}

function backendOf(read: Annotations): BackendOptions {
  const kind = read.text('backend-protocol').toUpperCase() || 'HTTP';
  const known = BACKENDS[kind];
  if (known === undefined) read.say(`backend-protocol: ${kind.slice(0, 20)} is not supported`);
  const seconds = (text: string) => readSeconds(text, 3600);
  const balance = read.text('load-balance');
  if (!['', 'round_robin', 'ewma'].includes(balance)) read.say('load-balance: is not supported');
  const hashOn = read.read('upstream-hash-by', hashSource, '');
  const other = balance === 'ewma' ? 'leastRequest' : 'roundRobin';
  return {
    ...(known ?? { scheme: 'http', protocol: 'http1' }),
    mode: read.is('service-upstream') ? 'service' : 'endpoints',
    connectSeconds: read.read('proxy-connect-timeout', (text) => readSeconds(text, 300), null),
    readSeconds: read.read('proxy-read-timeout', seconds, null),
    cookie: cookieOf(read),
    policy: hashOn === '' ? other : 'consistentHash',
    hashOn,
  };
}

const BACKENDS: Readonly<Record<string, Pick<BackendOptions, 'scheme' | 'protocol'>>> = {
  HTTP: { scheme: 'http', protocol: 'http1' },
  HTTPS: { scheme: 'https', protocol: 'http1' },
  GRPC: { scheme: 'http', protocol: 'h2c' },
  GRPCS: { scheme: 'https', protocol: 'h2' },
};

function cookieOf(read: Annotations): BackendOptions['cookie'] {
  const affinity = read.text('affinity');
  if (affinity === '') return null;
  if (affinity !== 'cookie') read.say('affinity: only cookie is supported');
  const token = (text: string) => (TOKEN.test(text) ? text : undefined);
  return {
    name: read.read('session-cookie-name', token, COOKIE),
    maxAgeSeconds: read.read(
      'session-cookie-max-age',
      (text) => readInteger(text, 1, 365 * DAY_S),
      null,
    ),
  };
}

/** A variable of nginx as Sluice names what it stands for. */
function hashSource(text: string): string | undefined {
  if (text === '$remote_addr' || text === '$binary_remote_addr') return 'clientIp';
  if (text === '$request_uri' || text === '$uri') return 'path';
  const match = /^\$(http|cookie)_([a-z0-9_]{1,64})$/.exec(text);
  if (match === null) return undefined;
  const [, kind = '', name = ''] = match;
  return kind === 'http' ? `header:${name.replaceAll('_', '-')}` : `cookie:${name}`;
}

/** Names at most; more are a mistake. */
export const ALIASES_MAX = NAMES_MAX;

/** Those that change something; docs/kubernetes.md says what. */
const SUPPORTED_ANNOTATIONS: readonly string[] = [
  ...['rewrite-target', 'use-regex', 'ssl-redirect', 'force-ssl-redirect', 'server-alias'],
  ...['app-root', 'permanent-redirect', 'permanent-redirect-code', 'temporal-redirect'],
  ...['temporal-redirect-code', 'proxy-body-size', 'proxy-connect-timeout'],
  ...['proxy-read-timeout', 'backend-protocol', 'service-upstream', 'enable-cors'],
  ...['cors-allow-origin', 'cors-allow-methods', 'cors-allow-headers', 'cors-expose-headers'],
  ...['cors-allow-credentials', 'cors-max-age', 'whitelist-source-range'],
  ...['allowlist-source-range', 'denylist-source-range', 'limit-rps', 'limit-rpm'],
  ...['limit-connections', 'limit-burst-multiplier', 'auth-url', 'auth-method'],
  ...['auth-response-headers', 'auth-type', 'auth-secret', 'auth-secret-type'],
  ...['affinity', 'session-cookie-name', 'session-cookie-max-age', 'load-balance'],
  ...['upstream-hash-by', 'custom-http-errors', 'x-forwarded-prefix', 'canary'],
  ...['canary-weight', 'canary-weight-total', 'canary-by-header', 'canary-by-header-value'],
  ...['canary-by-header-pattern', 'canary-by-cookie'],
];
