/**
 * Parser vectors that others have collected, sent through a real gateway: what arrives at the
 * origin must be what a strict parser reads, in the gateway's own framing, or nothing at all.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';
import { RawOrigin, type RawRequest } from '../support/raw-origin.js';
import { describeWithData, readShared } from '../support/shared-data.js';

const FILES = ['llhttp-vectors.json', 'smuggler-default.json', 'hrs-permutations.json'];

const BATCH_SIZE = 150;
/** The native parser is silent for 10 to 12 s about what it cannot read: no need to wait for it. */
const WAIT_MS_MAX = 1200;

interface Meaning {
  readonly method: string;
  readonly target: string;
  readonly body: string;
}

/**
 * What the native parser takes without telling: an empty field name, which it drops, junk around
 * chunk sizes, and bytes above 0x7f around a value, which it trims like spaces. Such a request
 * must arrive exactly so, in the gateway's own framing.
 */
const READ_LENIENTLY: ReadonlyMap<string, Meaning> = new Map([
  ['Invalid header token #3', { method: 'GET', target: '/', body: '' }],
  [
    'No semicolon before chunk extensions',
    { method: 'POST', target: '/chunked_w_unicorns_after_length', body: 'aa' },
  ],
  ['Missing last-chunk', { method: 'PUT', target: '/url', body: 'foo' }],
  ['Space after chunk header', { method: 'PUT', target: '/url', body: '0123456789' }],
  ...['spaceFF alone', 'unispace alone', 'spaceFF alone, request', 'unispace alone, request'].map(
    (name) => [`hrs ${name}`, { method: 'POST', target: '/hrs', body: '' }] as const,
  ),
]);

interface Vector {
  readonly name: string;
  readonly bytes: string;
  /** True: the source of the vector says that it must be refused as a whole. */
  readonly isRefused?: boolean;
}

interface SentVector extends Vector {
  readonly host: string;
  readonly status: number;
  readonly isClosed: boolean;
}

function readJson<T>(file: string): T {
  return JSON.parse(readShared(file)) as T;
}

interface LlhttpFile {
  readonly vectors: readonly {
    readonly file: string;
    readonly title: string;
    readonly type: string;
    readonly b64: string;
    readonly accept: boolean;
  }[];
}

/** What only a switched-off check would accept must be refused like what is refused always. */
function llhttpVectors(): Vector[] {
  const { vectors } = readJson<LlhttpFile>('llhttp-vectors.json');
  return vectors
    .filter(({ type }) => type.startsWith('request'))
    .map(({ file, title, type, b64, accept }) => ({
      name: `llhttp ${file}: ${title}${type === 'request' ? '' : ` (${type})`}`,
      bytes: withHost(Buffer.from(b64, 'base64').toString('latin1')),
      isRefused: type === 'request' && !accept,
    }));
}

/** Puts `__HOST__` where the vector names a host, or in a field of its own after the first line. */
function withHost(bytes: string): string {
  if (/^host:[^\r\n]*/im.test(bytes)) {
    return bytes.replace(/^(host:)[^\r\n]*/im, '$1 __HOST__');
  }
  return bytes.replace('\r\n', '\r\nHost: __HOST__\r\n');
}

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: __HOST__\r\n\r\n';
/** Content-Length and body: each is read to another end by the length and by the chunks. */
const ATTACKS: Readonly<Record<string, readonly [length: number, body: string]>> = {
  'TE.CL': [6, '0\r\n\r\nX'],
  'CL.TE': [4, '1\r\nZ\r\n0\r\n\r\n'],
  'CL.TE broken': [4, '1\r\nZ\r\nQ'],
  'CL.TE request': [5 + SMUGGLED.length, `0\r\n\r\n${SMUGGLED}`],
};

function smugglerVectors(): Vector[] {
  const { mutations } = readJson<{ mutations: { name: string; header_latin1: string }[] }>(
    'smuggler-default.json',
  );
  return mutations.flatMap(({ name, header_latin1: template }) =>
    Object.entries(ATTACKS).map(([attack, [length, body]]) => ({
      name: `smuggler ${name} ${attack}`,
      bytes: `${template
        .replace('__METHOD__', 'POST')
        .replace('__ENDPOINT__', '/')
        .replace('__RANDOM__', '1')
        .replace('__REPLACE_CL__', String(length))}\r\n${body}`,
    })),
  );
}

function permutationVectors(): Vector[] {
  const file = readJson<Record<string, Record<string, string>>>('hrs-permutations.json');
  const start = 'POST /hrs HTTP/1.1\r\nHost: __HOST__\r\n';
  const attacks = Object.entries(ATTACKS);
  const decode = (hex: string): string => Buffer.from(hex, 'hex').toString('latin1');
  const codings = Object.entries(file['transfer_encoding'] ?? {}).flatMap(([name, hex]) => [
    ...attacks.map(([attack, [length, body]]) => ({
      name: `hrs ${name} ${attack}`,
      bytes: `${start}Content-Length: ${length}\r\n${decode(hex)}\r\n\r\n${body}`,
    })),
    { name: `hrs ${name} alone`, bytes: `${start}${decode(hex)}\r\n\r\n0\r\n\r\n` },
    {
      name: `hrs ${name} alone, request`,
      bytes: `${start}${decode(hex)}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    },
  ]);
  const lengths = Object.entries(file['content_length'] ?? {}).flatMap(([name, hex]) => [
    ...attacks.map(([attack, [length, body]]) => ({
      name: `hrs ${name} ${attack}`,
      bytes:
        `${start}${decode(hex).replace('%CL%', String(length))}\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n${body}`,
    })),
    {
      name: `hrs ${name} alone`,
      bytes: `${start}${decode(hex).replace('%CL%', '5')}\r\n\r\nhello`,
    },
  ]);
  return [...codings, ...lengths];
}

/** NUL, bare CR or LF, two framing fields, or a Transfer-Encoding that is not plainly chunked. */
function isHostileHead(bytes: string): boolean {
  const headEnd = bytes.indexOf('\r\n\r\n');
  const head = headEnd === -1 ? bytes : bytes.slice(0, headEnd);
  if (/\0|\r(?!\n)|(?<!\r)\n/.test(head)) return true;
  const framing = head.match(/^(?:content-length|transfer-encoding)[^\r\n]*/gim) ?? [];
  if (framing.length > 1) return true;
  return framing.some(
    (field) => /^transfer-encoding/i.test(field) && !/^[^:]{17}:[ \t]*chunked[ \t]*$/i.test(field),
  );
}

/** What node:http with its strict parser reads: the measure for what is let through. */
async function meaningsOf(bytes: string): Promise<Meaning[]> {
  const read: { request: IncomingMessage; body: string }[] = [];
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    const one = { request, body: '' };
    read.push(one);
    request.setEncoding('latin1').on('data', (text: string) => {
      one.body += text;
    });
    request.on('error', () => {});
    request.on('end', () => response.end());
  });
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  socket.on('error', () => {});
  server.emit('connection', socket);
  // White space behind a value is no part of it (RFC 9110 5.6.3), a tab neither.
  const headEnd = bytes.indexOf('\r\n\r\n') + 2;
  const head = bytes.slice(0, headEnd).replace(/[ \t]+\r\n/g, '\r\n');
  socket.push(Buffer.from(head + bytes.slice(headEnd), 'latin1'));
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  const complete = read.filter(({ request }) => request.complete);
  socket.destroy();
  return complete.map(({ request: { method = '', url: target = '' }, body }) => {
    return { method, target, body };
  });
}

function hostOf(request: RawRequest): string {
  return request.fields.find(([name]) => name === 'x-forwarded-host')?.[1] ?? '';
}

async function send(port: number, vector: Vector, index: number): Promise<SentVector> {
  const host = `v${index}.test`;
  const bytes = vector.bytes.replaceAll('__HOST__', host);
  const { text, isClosed } = await rawExchange(port, [bytes], {
    waitMsMax: WAIT_MS_MAX,
    until: /\r\n\r\n(?:ok|\{.*\}\n)$/s,
  });
  const status = Number([...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].at(-1)?.[1] ?? 0);
  return { ...vector, bytes, host, status, isClosed };
}

function lenientMeaningOf({ name }: Vector): Meaning | undefined {
  return READ_LENIENTLY.get(name.replace(/^llhttp [^:]*: | \(lenient\).*$/g, ''));
}

/** Why what arrived of this vector must not have arrived; empty when all is well. */
async function suspicionOf(vector: SentVector, arrived: readonly RawRequest[]): Promise<string> {
  if (arrived.length === 0) return '';
  const lenientMeaning = lenientMeaningOf(vector);
  if (!lenientMeaning) {
    if (isHostileHead(vector.bytes)) return 'a hostile head was forwarded';
    if (vector.isRefused) return 'what must be refused was forwarded';
  }
  const meanings = lenientMeaning ? [lenientMeaning] : await meaningsOf(vector.bytes);
  for (const [at, request] of arrived.entries()) {
    const meant = meanings[at];
    const { method, target, body, framing } = request;
    const got = JSON.stringify({ method, target, body });
    if (framing.length > 1) return `two framing fields: ${framing.join(', ')}`;
    if (meant === undefined) return `nobody sent ${got}`;
    if (got !== JSON.stringify(meant)) return `${got} instead of ${JSON.stringify(meant)}`;
  }
  return '';
}

describeWithData(FILES, 'vectors of other projects', () => {
  let origin: RawOrigin;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    origin = await RawOrigin.start();
    gateway = await GatewayProcess.start(
      // As it is by default: chunked bodies, which the native parser misreads, are refused.
      aConfig([origin.url], {
        top: { listen: { port: 0 }, workers: 1, logging: { accessLog: false } },
      }),
    );
  });

  afterAll(async () => {
    await gateway.stop();
    await origin.close();
  });

  it('reach the origin as they were meant, or not at all', async () => {
    const vectors = [...llhttpVectors(), ...smugglerVectors(), ...permutationVectors()];
    const sent: SentVector[] = [];
    for (let at = 0; at < vectors.length; at += BATCH_SIZE) {
      const batch = vectors.slice(at, at + BATCH_SIZE);
      sent.push(
        ...(await Promise.all(
          batch.map((vector, index) => send(gateway.port, vector, at + index)),
        )),
      );
    }
    await eventually('nothing is in flight', async () => {
      return (await gateway.stats())['in_flight'] === 0;
    });
    const suspicious: string[] = [];
    const known = new Set(sent.map(({ host }) => host));
    for (const request of origin.requests) {
      if (!known.has(hostOf(request))) suspicious.push(`of nobody: ${JSON.stringify(request)}`);
    }
    for (const { rest } of origin.connections) {
      const isKnown = rest === '' || sent.some(({ host }) => rest.includes(`${host}\r\n`));
      if (!isKnown) suspicious.push(`a part of nobody's: ${JSON.stringify(rest)}`);
    }
    let [forwarded, refused, stalled] = [0, 0, 0];
    for (const vector of sent) {
      const arrived = origin.requests.filter((request) => hostOf(request) === vector.host);
      const partial = origin.connections.find(({ rest }) => rest.includes(`${vector.host}\r\n`));
      const suspicion = await suspicionOf(vector, arrived);
      if (suspicion !== '') suspicious.push(`${vector.name}: ${suspicion}`);
      if (partial !== undefined && !lenientMeaningOf(vector) && isHostileHead(vector.bytes)) {
        suspicious.push(`${vector.name}: a part was forwarded`);
      }
      if (arrived.length > 0) forwarded++;
      else if (vector.status !== 0 || vector.isClosed) refused++;
      else stalled++;
    }
    console.info(
      `${sent.length} vectors: ${forwarded} forwarded, ${refused} refused, ` +
        `${stalled} not answered, ${suspicious.length} suspicious`,
    );
    expect(suspicious).toEqual([]);
    // The gateway is well, and it was not simply deaf.
    expect(forwarded).toBeGreaterThan(50);
    expect(gateway.exitCode).toBeNull();
    const after = await fetch(`${gateway.url}/after`);
    expect(after.status).toBe(200);
  });
});
