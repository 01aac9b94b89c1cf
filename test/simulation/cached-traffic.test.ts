/**
 * Workers with one store of replies under random traffic, an hour of it in all: fetches that take
 * their time, fail, break off or are validated, leases and flights between lanes, coded forms,
 * purges and writes, and workers that die at any write. Whatever a client gets from memory is whole,
 * is not staler than its origin has allowed, and was not purged or written to before the client has
 * asked; a coded form is that of the body in whose place it goes out.
 */
import { describe, expect, it } from 'vitest';
import { type FieldBlock, field, joinFields } from '../../src/base/field-block.js';
import { HalfSipHash } from '../../src/base/half-sip-hash.js';
import { allocateCache } from '../../src/channel/cache/cache-memory.js';
import { purgeCache } from '../../src/channel/cache/cache-purge.js';
import { CacheStore } from '../../src/channel/cache/cache-store.js';
import { FetchLeases } from '../../src/channel/cache/fetch-leases.js';
import { ReplyRelays } from '../../src/channel/cache/reply-relays.js';
import { type Look, ReplyCache } from '../../src/worker/cache/reply-cache.js';
import type { Exchange } from '../../src/worker/exchange/exchange.js';
import type { WorkerRoute } from '../../src/worker/route/worker-route.js';
import { FakeClock } from '../support/fake-clock.js';
import { makeExchange } from '../support/make-exchange.js';
import { isReplay, playSeeds, SimRandom } from './seeds.js';
import { installFuses, ThreadKilled, WriteFuse } from './write-fuse.js';

const LANES = 3;
const KEYS = 12;
const MEMORY_BYTES = 1_200_000;
const SEEDS = 6;
const HISTORY_MS = 600_000;
const GZIP = { coding: 'gzip', level: 5 } as const;
/** Longer than any fetch: a lease is taken over only from a worker that has died. */
const COLLAPSE_MS = 4000;
const FETCH_MS_MAX = 2000;

installFuses();

const ROUTE = {
  config: {
    name: 'all',
    cache: {
      key: { query: 'all', headers: [], consumer: false },
      ...{ heuristicPercent: 0, entryBytesMax: 200_000, staleIfErrorMs: 0 },
      ...{ staleWhileRevalidateMs: 0, collapseMs: COLLAPSE_MS, clientMayBypass: false },
      ...{ targeted: [], dropsCookies: false },
    },
  },
  upstream: { timeouts: { perTryMs: COLLAPSE_MS }, protocol: 'http/1.1' },
  replyStages: [{ open: () => null }],
} as unknown as WorkerRoute;

/** One answer of the origin that makes its version good for a while. */
interface Said {
  /** Which event of the history asked for it. */
  readonly asked: number;
  /** Whether the body came with it, or it was validated. */
  readonly isNew: boolean;
  readonly atMs: number;
  readonly freshMs: number;
  readonly whileMs: number;
  readonly errorMs: number;
}

/** What the origin has for one key. */
interface Origin {
  version: number;
  readonly said: Map<number, Said[]>;
  /** The event after which nothing that was asked for earlier answers from memory. */
  voidSince: number;
}

/** What a client has got so far. */
interface Got {
  readonly key: number;
  /** The event at which it has asked, and what was void by then. */
  readonly voidSince: number;
  version: number;
  readonly chunks: Buffer[];
}

/** In every part of a body it is said which it is. */
function bodyOf(key: number, version: number): Buffer {
  const text = `${key}/${version};`;
  const bytes = [40, 900, 6000, 30_000][version % 4] ?? 40;
  return Buffer.from(text.repeat(Math.ceil(bytes / text.length)));
}

function codedOf(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from('coded:'), body.subarray(0, body.length / 2)]);
}

/** If-None-Match, as the origin gets it. */
function askedIf({ head }: Exchange): string {
  const { plain } = head.fields;
  return plain[plain.indexOf('if-none-match') + 1] ?? '';
}

interface Pending {
  readonly atMs: number;
  readonly lane: Lane;
  readonly step: () => void;
}

/** One worker, until it dies. */
class Lane {
  readonly fuse = new WriteFuse();
  readonly clock: FakeClock;
  readonly cache: ReplyCache;

  constructor(
    readonly world: World,
    readonly index: number,
  ) {
    const { memory, time } = world;
    this.clock = new FakeClock(time);
    this.cache = this.fuse.watch(
      () =>
        new ReplyCache(
          {
            store: new CacheStore(memory, index, new HalfSipHash(1, 2)),
            leases: new FetchLeases(memory, index),
            relays: new ReplyRelays(memory.relays, index),
            clock: this.clock,
            replies: {
              head: (exchange, status, block) => {
                exchange.reply.onHead(status, block, exchange.head.method === 'HEAD', time.ms);
                world.onHead(this, exchange, status, block.fields);
              },
              whole: (exchange, body) => world.onWhole(this, exchange, body),
              data: (exchange, bytes, isLast) => {
                world.gotOf(exchange).chunks.push(Buffer.from(bytes));
                if (isLast) world.onEnd(this, exchange);
                return true;
              },
              end: (exchange) => world.onEnd(this, exchange),
              trailers: (exchange) => world.onEnd(this, exchange),
              takeBack: (exchange) => {
                exchange.reply.takeHeadBack();
                world.gotOf(exchange).chunks.length = 0;
              },
            },
            onStored: () => {
              world.counts.stored += 1;
            },
            onFormUsed: () => {
              world.counts.forms += 1;
            },
            onBroken: (exchange) => world.finish(this, exchange),
          },
          (exchange) => world.goOn(this, exchange),
        ),
    );
  }
}

class World {
  readonly memory = allocateCache(LANES, MEMORY_BYTES);
  readonly time = { ms: 1000 };
  readonly counts = {
    hit: 0,
    stale: 0,
    followed: 0,
    onError: 0,
    revalidated: 0,
    miss: 0,
    deaths: 0,
    stored: 0,
    forms: 0,
    herds: 0,
  };
  private readonly origins: Origin[] = [];
  private readonly got = new WeakMap<Exchange, Got>();
  private readonly lanes: Lane[] = [];
  private pending: Pending[] = [];
  /** Counts what happens, so that it is known what came before what. */
  private events = 0;

  constructor(private readonly random: SimRandom) {
    for (let key = 0; key < KEYS; key++) {
      this.origins.push({ version: 1, said: new Map(), voidSince: 0 });
    }
    for (let lane = 0; lane < LANES; lane++) this.lanes.push(new Lane(this, lane));
  }

  run(): void {
    const endMs = this.time.ms + HISTORY_MS;
    while (this.time.ms < endMs) {
      this.advance(this.random.pick([0, 1, 20, 300, 1500]));
      const chance = this.random.next();
      if (chance < 0.86) this.request(this.randomKey());
      else if (chance < 0.9) this.herd();
      else if (chance < 0.94) this.change();
      else if (chance < 0.96) this.write();
      else if (chance < 0.98) this.kill();
      else this.purge();
    }
    this.advance(2 * COLLAPSE_MS);
  }

  private randomKey(): number {
    return this.random.chance(0.6) ? this.random.below(3) : this.random.below(KEYS);
  }

  private originOf(key: number): Origin {
    return this.origins[key] as Origin;
  }

  gotOf(exchange: Exchange): Got {
    const got = this.got.get(exchange);
    if (got === undefined) throw new Error('an exchange that nobody knows');
    return got;
  }

  /** Moves time on: what is due happens, on lanes that live. */
  private advance(ms: number): void {
    const untilMs = this.time.ms + ms;
    for (;;) {
      const [next] = this.pending.sort((one, other) => one.atMs - other.atMs);
      const timers = this.lanes.map(({ clock }) => clock.nextDueMs);
      const dueMs = Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, ...timers);
      if (dueMs > untilMs) break;
      this.time.ms = Math.max(this.time.ms, dueMs);
      if (next !== undefined && next.atMs <= this.time.ms) {
        this.pending.shift();
        if (this.lanes.includes(next.lane)) this.act(next.lane, next.step);
      }
      for (const lane of [...this.lanes]) {
        if (lane.clock.nextDueMs <= this.time.ms) this.act(lane, () => void lane.clock.fireNext());
      }
    }
    this.time.ms = untilMs;
  }

  private later(lane: Lane, step: () => void): void {
    const ms = this.random.chance(0.9)
      ? 1 + this.random.below(200)
      : this.random.below(FETCH_MS_MAX);
    this.pending.push({ atMs: this.time.ms + ms, lane, step });
  }

  /** What a worker does; it may die there. */
  private act(lane: Lane, step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ThreadKilled)) throw error;
      this.counts.deaths += 1;
      this.lanes[lane.index] = new Lane(this, lane.index);
    }
  }

  private kill(): void {
    const { fuse } = this.random.pick(this.lanes);
    fuse.writesMax = fuse.writes + this.random.below(80);
  }

  /** The origin has something else. */
  private change(): void {
    this.originOf(this.randomKey()).version += 1;
  }

  private purge(): void {
    const key = this.random.chance(0.5) ? this.randomKey() : -1;
    purgeCache(this.memory, (head) => key === -1 || head.key.includes(`/${key}\n`), false);
    this.events += 1;
    for (const [at, origin] of this.origins.entries()) {
      if (key === -1 || at === key) origin.voidSince = this.events;
    }
  }

  /** A POST that the origin has answered. */
  private write(): void {
    const key = this.randomKey();
    const lane = this.random.pick(this.lanes);
    const exchange = this.exchange(key, 'POST');
    this.act(lane, () => {
      lane.cache.onWritten(exchange, 204, field('x', 'y'));
      this.events += 1;
      const origin = this.originOf(key);
      origin.version += 1;
      origin.voidSince = this.events;
    });
  }

  private herd(): void {
    const key = this.randomKey();
    this.counts.herds += 1;
    for (let count = 0; count < 10; count++) this.request(key);
  }

  private exchange(key: number, method = 'GET'): Exchange {
    const target = `/${key}`;
    const exchange = makeExchange({ method, target, route: ROUTE, fields: ['host', 'h.example'] });
    const { voidSince } = this.originOf(key);
    this.got.set(exchange, { key, voidSince, version: 0, chunks: [] });
    return exchange;
  }

  private request(key: number): void {
    const lane = this.random.pick(this.lanes);
    const exchange = this.exchange(key, this.random.chance(0.05) ? 'HEAD' : 'GET');
    this.act(lane, () => this.follow(lane, exchange, lane.cache.open(exchange)));
  }

  goOn(lane: Lane, exchange: Exchange): void {
    const { caching } = exchange;
    if (exchange.isFinished || caching === null) return;
    lane.cache.endWait(exchange);
    this.follow(lane, exchange, lane.cache.look(exchange, caching));
  }

  private follow(lane: Lane, exchange: Exchange, look: Look): void {
    const { caching } = exchange;
    if (caching === null) throw new Error('nothing was looked for');
    switch (look) {
      case 'serve':
        this.counts[caching.needsRefresh ? 'stale' : 'hit'] += 1;
        lane.cache.serve(exchange, caching);
        if (caching.needsRefresh) this.refresh(lane, exchange);
        return;
      case 'follow':
        this.counts.followed += 1;
        lane.cache.followers.follow(exchange, caching);
        return;
      case 'wait':
        return;
      case 'fetch':
        this.counts.miss += 1;
        this.fetch(lane, exchange);
        return;
      default:
        throw new Error('nothing is refused here');
    }
  }

  private refresh(lane: Lane, exchange: Exchange): void {
    const caching = lane.cache.tryRefresh(exchange);
    if (caching === null) return;
    const aside = exchange.behind(this.time.ms, () => {});
    const { key, voidSince } = this.gotOf(exchange);
    this.got.set(aside, { key, voidSince, version: 0, chunks: [] });
    lane.cache.openRefresh(aside, caching);
    this.fetch(lane, aside);
  }

  /** The origin is asked, and does with it what chance has it do. */
  private fetch(lane: Lane, exchange: Exchange): void {
    const { key } = this.gotOf(exchange);
    const origin = this.originOf(key);
    this.events += 1;
    const asked = this.events;
    this.later(lane, () => {
      const { version } = origin;
      const chance = this.random.next();
      if (chance < 0.15) this.fail(lane, exchange);
      else if (askedIf(exchange) === `"${version}"`) {
        this.answer304(lane, exchange, asked);
      } else this.answer200(lane, exchange, asked);
    });
  }

  private fail(lane: Lane, exchange: Exchange): void {
    if (lane.cache.canServeOnError(exchange)) {
      this.counts.onError += 1;
      lane.cache.serveOnError(exchange);
      return;
    }
    this.finish(lane, exchange);
  }

  /** What the origin says of this version from now on. */
  private say(key: number, asked: number, isNew: boolean): FieldBlock {
    const { version, said } = this.originOf(key);
    const [fresh, during, error] = [
      this.random.below(12),
      this.random.pick([0, 0, 3, 20]),
      this.random.pick([0, 30]),
    ];
    const one = {
      ...{ asked, isNew, atMs: this.time.ms },
      ...{ freshMs: fresh * 1000, whileMs: during * 1000, errorMs: error * 1000 },
    };
    said.set(version, [...(said.get(version) ?? []), one]);
    const control = `max-age=${fresh}, stale-while-revalidate=${during}, stale-if-error=${error}`;
    return joinFields(field('cache-control', control), field('etag', `"${version}"`));
  }

  private answer304(lane: Lane, exchange: Exchange, asked: number): void {
    const { key } = this.gotOf(exchange);
    const fields = this.say(key, asked, false);
    const verdict = lane.cache.onHead(exchange, 304, { fields, date: '', bodyBytes: -1 });
    if (verdict !== 'validated') throw new Error('what was asked for conditionally is validated');
    this.counts.revalidated += 1;
    lane.cache.serveValidated(exchange);
    if (exchange.isAside) this.finish(lane, exchange);
  }

  private answer200(lane: Lane, exchange: Exchange, asked: number): void {
    const { key } = this.gotOf(exchange);
    const body = bodyOf(key, this.originOf(key).version);
    const fields = this.say(key, asked, true);
    const bodyBytes = this.random.chance(0.5) ? body.length : -1;
    lane.cache.onHead(exchange, 200, { fields, date: '', bodyBytes });
    const half = Math.floor(body.length / 2);
    const breaks = this.random.chance(0.1);
    const isHead = exchange.head.method === 'HEAD';
    this.later(lane, () => {
      if (!isHead) lane.cache.onData(exchange, body.subarray(0, half), false);
      this.later(lane, () => {
        const { caching } = exchange;
        if (!isHead && !breaks) lane.cache.onData(exchange, body.subarray(half), true);
        else if (!breaks && caching !== null) lane.cache.onEnd(caching, '' as FieldBlock);
        this.finish(lane, exchange);
      });
    });
  }

  finish(lane: Lane, exchange: Exchange): void {
    if (exchange.isFinished) return;
    exchange.isFinished = true;
    lane.cache.followers.leaveClient(exchange);
    lane.cache.release(exchange);
  }

  // What clients get from memory, or while it comes.

  onHead(_lane: Lane, exchange: Exchange, status: number, fields: FieldBlock): void {
    expect(status).toBe(200);
    const got = this.gotOf(exchange);
    const { key, voidSince } = got;
    const version = Number(/etag: "(\d+)"/i.exec(fields)?.[1]);
    got.version = version;
    const outcome = exchange.caching?.outcome;
    const said = this.originOf(key).said.get(version) ?? [];
    const nowMs = this.time.ms;
    const isOnError = outcome === 'stale' && exchange.caching?.needsRefresh !== true;
    const isAllowed = said.some((one) => {
      const extraMs = isOnError ? one.errorMs : outcome === 'stale' ? one.whileMs : 0;
      const isRevalidated = outcome === 'revalidated' && one.atMs === nowMs;
      // A reply that comes while it is fetched is as old as the question for it.
      return isRevalidated || nowMs - one.atMs < one.freshMs + extraMs;
    });
    expect(isAllowed, `version ${version} of ${key} may be used as ${outcome}`).toBe(true);
    const isOfNow = said.some(({ asked, isNew }) => isNew && asked > voidSince);
    if (outcome !== 'revalidated') {
      expect(isOfNow, `version ${version} of ${key} is not void`).toBe(true);
    }
  }

  onWhole(lane: Lane, exchange: Exchange, body: Buffer): void {
    const got = this.gotOf(exchange);
    if (exchange.head.method !== 'HEAD') {
      const isWhole = body.equals(bodyOf(got.key, got.version));
      expect(isWhole, `the body of ${got.key}, version ${got.version}, is whole`).toBe(true);
      this.useForm(lane, exchange, body);
    }
    this.finish(lane, exchange);
  }

  private useForm(lane: Lane, { caching }: Exchange, body: Buffer): void {
    const forms = caching?.forms ?? null;
    if (forms === null || this.random.chance(0.3)) return;
    const form = forms.find(GZIP);
    if (form !== null) {
      expect(form.equals(codedOf(body)), 'the form is that of the body').toBe(true);
      return;
    }
    const plain = forms.copyPlain();
    if (plain === null) return;
    expect(plain.equals(body), 'what is coded is the body').toBe(true);
    if (this.random.chance(0.5)) forms.keep(GZIP, codedOf(plain));
    else this.later(lane, () => forms.keep(GZIP, codedOf(plain)));
  }

  onEnd(lane: Lane, exchange: Exchange): void {
    const { key, version, chunks } = this.gotOf(exchange);
    if (exchange.head.method !== 'HEAD') {
      const isWhole = Buffer.concat(chunks).equals(bodyOf(key, version));
      expect(isWhole, `what has come of ${key}, version ${version}, is whole`).toBe(true);
    }
    this.finish(lane, exchange);
  }
}

describe('replies from memory', () => {
  it('are whole, not staler than allowed and not void, in an hour of traffic', () => {
    const sums: Record<string, number> = {};
    playSeeds(SEEDS, (seed) => {
      const world = new World(new SimRandom(seed));
      world.run();
      for (const [name, count] of Object.entries(world.counts)) {
        sums[name] = (sums[name] ?? 0) + count;
      }
    });
    if (isReplay()) return;
    for (const [name, count] of Object.entries(sums)) {
      expect(count, `${name} has happened`).toBeGreaterThan(50);
    }
  });
});
