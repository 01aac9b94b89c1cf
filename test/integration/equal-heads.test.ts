/**
 * Heads that come again, through a whole gateway: what a client is told, what targets get, what the
 * log says and what is counted are the same as for a gateway to which each request comes over a
 * connection of its own: over HTTP/1.1 and HTTP/2, with certificates of clients and without. One
 * stays the same while acceptors, workers and the coordinator die and configurations change.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { below, type Random, seeded } from '../fuzz/mutations.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess, type LogRecord } from '../support/gateway-process.js';
import { type ClientPlace, HeadClient, type TakenReply } from '../support/head-client.js';
import {
  ADMIN_TOKEN,
  answer,
  aRequest,
  BLOCKED,
  configOf,
  nearly,
  type ScenarioParts,
  type ScenarioRequest,
  TRUSTED,
} from '../support/head-scenario.js';
import { Http2HeadClient } from '../support/http2-head-client.js';
import type { AcceptorRow } from '../support/several-acceptors.js';
import { TestAuthority } from '../support/test-authority.js';

const IS_LONG = process.env['SLUICE_TEST_LONG'] === '1';
const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? 9110);
/** Requests of a connection between two changes. */
const REQUESTS = IS_LONG ? 300 : 14;
/** How often the last one before a change comes again behind it. */
const LAST_AGAIN = 3;
/** How often the configuration changes. */
const CHANGES = IS_LONG ? 6 : 1;
/** Without its coordinator a gateway may come to decisions too late, which says nothing here. */
const LOSSES = ['worker/0/crash', 'worker/1/exit', ...(IS_LONG ? ['coordinator/crash'] : [])];
const BURST_MAX = 8;
const TEST_MS_MAX = IS_LONG ? 550_000 : 60_000;
const RUN_MAX = 9;

/** Addresses of clients, and whom a proxy names. */
const ADDRESSES = ['127.0.0.2', TRUSTED, BLOCKED, '127.0.0.2'];
const NAMED = ['203.0.113.5', '198.51.100.7'];
/** Over TLS, in this version, with a certificate that names this client; '': with none. */
const SECURE = [
  ['http1', 'ada'],
  ['h2', 'ada'],
  ['h2', 'bob'],
  ['h2', ''],
] as const;
const CONNECTIONS = ADDRESSES.length + NAMED.length + SECURE.length;

let folder = '';
let credentials: Pick<ScenarioParts, 'folder' | 'pair' | 'ca'>;
/** By the name of the client. */
const certificates = new Map<string, { readonly key: string; readonly cert: string }>();
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  rmSync(folder, { recursive: true, force: true });
});

/** What does not go by time, nor by how requests are spread and connections used. */
const COUNTED =
  /^gateway_(?:requests|request_fields|local_replies|filter|fault|cache|fallbacks)\w*_total/;

function makeCredentials(): void {
  folder = mkdtempSync(join(tmpdir(), 'sluice-heads-'));
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const authority = new TestAuthority();
  try {
    const { cert, key } = authority.sign({ names: 'DNS:h.example' });
    const pair = { cert: write('cert.pem', cert), key: write('key.pem', key) };
    credentials = { folder, pair, ca: write('ca.pem', authority.cert) };
    for (const name of ['ada', 'bob']) {
      certificates.set(name, authority.sign({ subject: `/CN=${name}` }));
    }
  } finally {
    authority.remove();
  }
}

type Client = Pick<HeadClient, 'ask' | 'close'>;

/** Where a connection comes from, and what it speaks. */
interface Place extends ClientPlace {
  readonly isHttp2?: boolean;
}

function clientAt(place: Place): Client {
  return place.isHttp2 === true ? new Http2HeadClient(place) : new HeadClient(place);
}

/** A gateway with its targets. */
class Side {
  private constructor(
    readonly gateway: GatewayProcess,
    readonly upstream: FakeUpstream,
    readonly copies: FakeUpstream,
    private readonly places: readonly Place[],
    private readonly clients: readonly Client[] | null,
  ) {}

  /** `repeats`: connections are kept. */
  static async start(repeats: boolean): Promise<Side> {
    const upstream = await FakeUpstream.start();
    const copies = await FakeUpstream.start();
    for (const one of [upstream, copies]) {
      one.script = (request, response) => {
        if (!repeats) response.setHeader('connection', 'close');
        answer(one, request, response);
      };
    }
    const parts = { url: upstream.url, copies: copies.url, ...credentials };
    const gateway = await GatewayProcess.start(configOf(parts, 'one'), { GATEWAY_CHAOS: '1' });
    closers.push(async () => {
      await gateway.stop();
      await Promise.all([upstream.close(), copies.close()]);
    });
    const [started] = gateway.find('gateway started') as (LogRecord & {
      readonly listeners: readonly { readonly name: string; readonly address: string }[];
    })[];
    const portOf = (name: string) =>
      Number(
        started?.listeners
          .find((one) => one.name === name)
          ?.address.split(':')
          .at(-1),
      );
    const places: Place[] = [
      ...ADDRESSES.map((localAddress) => {
        return { port: portOf('plain'), localAddress, preamble: '' };
      }),
      ...NAMED.map((name) => {
        const preamble = `PROXY TCP4 ${name} 127.0.0.1 5000 80\r\n`;
        return { port: portOf('behind'), localAddress: '127.0.0.5', preamble };
      }),
      ...SECURE.map(([protocol, name]) => {
        const where = { port: portOf('secure'), localAddress: '127.0.0.2', preamble: '' };
        return { ...where, tls: certificates.get(name) ?? {}, isHttp2: protocol === 'h2' };
      }),
    ];
    const clients = repeats ? places.map(clientAt) : null;
    closers.push(async () => {
      for (const client of clients ?? []) client.close();
    });
    return new Side(gateway, upstream, copies, places, clients);
  }

  /** What comes of the requests of one connection. */
  async ask(
    connection: number,
    requests: readonly ScenarioRequest[],
    wasClosed = false,
  ): Promise<TakenReply[]> {
    const client = this.clients?.[connection];
    const replies: TakenReply[] = [];
    for (const burst of client === undefined ? requests.map((one) => [one]) : burstsOf(requests)) {
      const one = client ?? clientAt(this.places[connection] as Place);
      const taken = await one.ask(burst);
      replies.push(...taken);
      if (client === undefined) one.close();
      // Behind a reply that closes the connection the rest of the burst is not read.
      const left = burst.slice(taken.length);
      const isLost = taken.length === 0;
      if (isLost && wasClosed) throw new Error(`no reply: ${JSON.stringify(burst[0])}`);
      if (left.length > 0) replies.push(...(await this.ask(connection, left, isLost)));
    }
    return replies;
  }

  async reload(version: string): Promise<void> {
    const parts = { url: this.upstream.url, copies: this.copies.url, ...credentials };
    this.gateway.rewrite(configOf(parts, version));
    const { status, body } = await this.gateway.post('/reload', ADMIN_TOKEN);
    expect([status, body.reasons ?? body.detail]).toEqual([200, undefined]);
  }

  async loseThreads(): Promise<void> {
    for (const path of LOSSES) {
      await this.inject(path);
      await eventually('all workers serve', async () => {
        return (await this.threads()).workers.every(({ served }) => served);
      });
    }
  }

  /** Workers keep what they know; the next acceptor gives other heads the same numbers. */
  async loseAcceptor(): Promise<void> {
    const { acceptors: before } = await this.threads();
    await this.inject('acceptor/0/crash');
    await eventually('another acceptor serves', async () => {
      const { acceptors, workers } = await this.threads();
      const isBack = acceptors.every(({ serving, deaths }, at) => {
        return serving && deaths > (before[at]?.deaths ?? 0);
      });
      return isBack && workers.every(({ served }) => served);
    });
  }

  private async inject(path: string): Promise<void> {
    const { status } = await this.gateway.post(`/chaos/${path}`, ADMIN_TOKEN);
    expect(status).toBe(202);
  }

  private threads(): Promise<{
    readonly acceptors: readonly AcceptorRow[];
    readonly workers: readonly { readonly served: boolean }[];
  }> {
    return this.gateway.stats();
  }

  async nothingInFlight(): Promise<void> {
    await eventually('nothing is in flight', async () => {
      return (await this.gateway.stats<{ in_flight: number }>()).in_flight === 0;
    });
  }

  /** What targets got, in the order of the alphabet. */
  seen(): string[] {
    return [this.upstream, this.copies].flatMap(({ received }) => {
      const all = received.map(({ method, url, rawHeaders, body }) => {
        return this.plain(JSON.stringify([method, url, ...rawHeaders, body.toString('latin1')]));
      });
      return all.sort();
    });
  }

  /** The access log, in the order of the alphabet. */
  lines(): string[] {
    const records = this.gateway.find('request');
    const all = records.map(({ time, thread, durationMs, upstreamMs, ...rest }) => {
      return this.plain(JSON.stringify(rest));
    });
    return all.sort();
  }

  async figures(): Promise<string[]> {
    const text = await (await fetch(`${this.gateway.adminUrl}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => COUNTED.test(line))
      .map((line) => this.plain(line));
  }

  /** Without what differs from one run to the next. Ids that the gateway has made are `ID`. */
  plain(text: string): string {
    return text
      .replaceAll(`127.0.0.1:${this.upstream.port}`, 'TARGET')
      .replaceAll(`127.0.0.1:${this.copies.port}`, 'COPIES')
      .replace(/\bsluice-[0-9a-f]{16}\b/g, 'LOOP')
      .replace(/\b[0-9a-f]+-[0-9a-f]{8}\b/g, 'ID')
      .replace(/X-Response-Time: [\d.]+s/gi, '')
      .replace(/\b(date|age|retry-after): [^\r]*/gi, '$1')
      .replace(/\bttl=-?\d+/g, 'ttl')
      .replace(/\bt=\d+/g, 't');
  }
}

/** Requests that are sent at once. */
function burstsOf(requests: readonly ScenarioRequest[]): ScenarioRequest[][] {
  const bursts: ScenarioRequest[][] = [];
  let last: ScenarioRequest[] = [];
  for (const request of requests) {
    if (last.length === 0) bursts.push(last);
    last.push(request);
    if (!request.mayFollow || last.length === BURST_MAX) last = [];
  }
  return bursts;
}

/** Runs of one head, at times with a small change. They begin with `last`, where there is one. */
function requestsOf(
  random: Random,
  connection: number,
  last: ScenarioRequest | undefined,
): ScenarioRequest[] {
  const requests = last === undefined ? [] : new Array<ScenarioRequest>(LAST_AGAIN).fill(last);
  while (requests.length < REQUESTS) {
    const request = aRequest(random, connection);
    const run = 2 + below(random, RUN_MAX);
    for (let at = 0; at < run; at++) requests.push(request);
    if (below(random, 2) === 0) continue;
    const other = nearly(request, random);
    const mixed = below(random, 2) === 0;
    for (let at = 0; at < RUN_MAX; at++) requests.push(mixed && at % 5 === 4 ? request : other);
  }
  return requests;
}

/** What a gateway says for lack of time: it says nothing about the head. */
const TOO_LATE = /GW_COORDINATOR_UNAVAILABLE|GW_OVERLOADED/;
const LIMITED = /^\w+ (?:http:\/\/[^/]+)?\/(?:few|named|caller)\//;

class Comparison {
  /** Connections on which some decision came too late: what is left of limits is not known. */
  private readonly uncertain = new Set<number>();
  compared = 0;
  /** By connection: what it has sent last. */
  private last: (ScenarioRequest | undefined)[] = [];
  private readonly ids = new Set<string>();

  constructor(
    private readonly again: Side,
    private readonly fresh: Side,
  ) {}

  async run(random: Random): Promise<void> {
    const { again, fresh } = this;
    const all = Array.from({ length: CONNECTIONS }, (_, at) => {
      return requestsOf(random, at, this.last[at]);
    });
    this.last = all.map((requests) => requests.at(-1));
    const [known = [], read = []] = await Promise.all(
      [again, fresh].map((side) => Promise.all(all.map((requests, at) => side.ask(at, requests)))),
    );
    for (const [connection, requests] of all.entries()) {
      for (const [at, { text }] of requests.entries()) {
        const [one, other] = [known[connection]?.[at], read[connection]?.[at]].map((reply) => {
          return reply === undefined ? 'none' : reply.head + reply.body;
        });
        this.compare(connection, text, one ?? '', other ?? '');
      }
    }
    await this.compareBehind();
  }

  private compare(connection: number, text: string, known: string, read: string): void {
    if (TOO_LATE.test(known) || TOO_LATE.test(read)) this.uncertain.add(connection);
    const isUncertain = this.uncertain.has(connection) && LIMITED.test(text);
    if (isUncertain || TOO_LATE.test(known) || TOO_LATE.test(read)) return;
    this.compared += 1;
    const [one, other] = [this.again.plain(known), this.fresh.plain(read)];
    expect(one, `connection ${connection}: ${text}`).toBe(other);
    const id = /X-Request-Id: (?!mine)(.+)/i.exec(known)?.[1] ?? '';
    expect(this.ids.has(id), `${id} again: ${text}`).toBe(false);
    if (id !== '') this.ids.add(id);
  }

  /** What targets got, the log says, and was counted. */
  private async compareBehind(): Promise<void> {
    const { again, fresh } = this;
    await Promise.all([again.nothingInFlight(), fresh.nothingInFlight()]);
    if (this.uncertain.size > 0) return;
    await eventually('both logs and all copies are whole', () => {
      const isLogged = again.lines().length === fresh.lines().length;
      return isLogged && again.seen().length === fresh.seen().length;
    });
    expect(again.seen()).toEqual(fresh.seen());
    expect(again.lines()).toEqual(fresh.lines());
    expect(await again.figures()).toEqual(await fresh.figures());
  }
}

it(
  'say to everybody what they would say if they came for the first time',
  async () => {
    makeCredentials();
    const random = seeded(SEED);
    const again = await Side.start(true);
    const fresh = await Side.start(false);
    const comparison = new Comparison(again, fresh);
    for (let change = 0; change <= CHANGES; change++) {
      if (change > 0) {
        await Promise.all([again, fresh].map((side) => side.loseAcceptor()));
        await comparison.run(random);
        const version = change % 2 === 0 ? 'one' : 'two';
        await Promise.all([again, fresh].map((side) => side.reload(version)));
        await Promise.all([again, fresh].map((side) => side.loseThreads()));
      }
      await comparison.run(random);
    }
    expect(comparison.compared).toBeGreaterThan(CONNECTIONS * REQUESTS);
  },
  TEST_MS_MAX,
);
