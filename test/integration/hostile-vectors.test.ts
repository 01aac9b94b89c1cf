/**
 * Parser vectors that others have collected, sent through a real gateway: what arrives at the
 * origin must be what a strict parser reads, in the gateway's own framing, or nothing at all.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { byEngine } from '../support/engine-under-test.js';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';
import { RawOrigin, type RawRequest } from '../support/raw-origin.js';
import {
  isHostileHead,
  requestVectors,
  VECTOR_FILES,
  type Vector,
} from '../support/request-vectors.js';
import { describeWithData } from '../support/shared-data.js';

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
const READ_BY_UWS: ReadonlyMap<string, Meaning> = new Map([
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

/** A request behind the last one of its connection is not looked at; llhttp calls it a mistake. */
const READ_BY_WIRE: ReadonlyMap<string, Meaning> = new Map([
  ['No restart when keep-alive is off (1.0)', { method: 'PUT', target: '/url', body: '' }],
]);

const READ_LENIENTLY = byEngine({ wire: READ_BY_WIRE, uws: READ_BY_UWS });

/** The own parser sends raw characters of a target on percent-encoded, and its path alone. */
function asSentOn({ target, ...rest }: Meaning): Meaning {
  const encoded = pathOf(target).replace(
    byEngine({ wire: /["<>\\^`{|}\x80-\xff]/g, uws: /(?!)/g }),
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const { method, body } = rest;
  return { method, target: encoded, body };
}

function pathOf(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?]*/, '');
  return path.startsWith('?') || path === '' ? `/${path}` : path;
}

interface SentVector extends Vector {
  readonly host: string;
  readonly status: number;
  readonly isClosed: boolean;
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
  const host = request.fields.find(([name]) => name === 'x-forwarded-host')?.[1] ?? '';
  return host.replace(/:\d+$/, '');
}

async function send(port: number, vector: Vector, index: number): Promise<SentVector> {
  const host = `v${index}.test`;
  // The second one stands in targets in absolute form, whose host takes the place of Host.
  const bytes = vector.bytes.replaceAll('__HOST__', host).replaceAll('hypnotoad.org', host);
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
  const read = lenientMeaning ? [lenientMeaning] : await meaningsOf(vector.bytes);
  const meanings = read.map((meaning) => JSON.stringify(asSentOn(meaning)));
  // Requests of one connection may come over several: the origin has them in any order.
  for (const request of arrived) {
    const { method, target, body, framing } = request;
    const got = JSON.stringify({ method, target, body });
    if (framing.length > 1) return `two framing fields: ${framing.join(', ')}`;
    const at = meanings.indexOf(got);
    if (at === -1) return `${got} is none of ${meanings.join(' ')}`;
    meanings.splice(at, 1);
  }
  return '';
}

describeWithData(VECTOR_FILES, 'vectors of other projects', () => {
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
    const vectors = requestVectors();
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
