/**
 * The cache of one worker: finds replies, has them validated, and stores what targets say.
 *
 * Thread: worker. Owns this worker's part of the store, and what each exchange knows of the cache.
 * Who asks the target is worker/answer/cached-answerer.ts; what targets say comes from tries/.
 * Invariants: an exchange holds at most one lease, and release() leaves none behind. A reply is
 * stored only when all of it has come, and only as it came from its target: stages see a stored
 * reply as they see one of a target.
 */
import { defined } from '../../base/assert.js';
import { type Clock, type Moment, momentOf } from '../../base/clock.js';
import type { FieldBlock } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import type { EntryHead } from '../../channel/cache/cache-entry.js';
import type { FoundEntry } from '../../channel/cache/cache-segment.js';
import type { CacheStore } from '../../channel/cache/cache-store.js';
import type { FetchLeases } from '../../channel/cache/fetch-leases.js';
import type { ReplyRelays } from '../../channel/cache/reply-relays.js';
import type { CompiledRouteCache } from '../../config/compiled-replies.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import type { CacheDirectives } from '../../policy/caching/cache-directives.js';
import {
  type ForwardReason,
  forwardStatus,
  hitStatus,
  NOT_CACHED_STATUS,
} from '../../policy/caching/cache-status.js';
import { isAbout, validationFields } from '../../policy/caching/conditional.js';
import { invalidates } from '../../policy/caching/invalidation.js';
import { freshLeftS, judgeReuse, mayServeOnError, type Reuse } from '../../policy/caching/reuse.js';
import { listOf } from '../../policy/caching/storing.js';
import { fitsVariant } from '../../policy/caching/variant.js';
import type { ReplyFieldBlock } from '../../wire/http1/reply-fields.js';
import { Caching } from '../exchange/caching.js';
import { type Exchange, routeOf, upstreamOf } from '../exchange/exchange.js';
import type { ReplyPath } from '../reply/reply-path.js';
import { bypassOf, memoryRequestOf, ownFieldsOf, wantsNoBody } from './cached-request.js';
import { FetchWaits } from './fetch-waits.js';
import { FlightFollowers } from './flight-followers.js';
import { HeldLeases } from './held-leases.js';
import { memoryReply, validatorsOf } from './memory-reply.js';
import { Refreshes } from './refreshes.js';
import { ReplyFlights } from './reply-flights.js';
import { ReplyJudge } from './reply-judge.js';
import { ReplyKeeper } from './reply-keeper.js';
import { askedBy, listIn, placeOf, QUERY, RouteCache, variedRequest } from './route-cache.js';
import { StoredForms } from './stored-forms.js';
import { voidWritten } from './written-places.js';

/**
 * What becomes of a request: it is answered, gets what is being fetched, waits, or its target is
 * asked.
 */
export type Look = 'serve' | 'follow' | 'wait' | 'fetch' | LocalReply;

/**
 * What becomes of the head of a target: `on`: it goes on. `validated`: when its reply has ended the
 * stored one goes out. `instead`: the stored one goes out at once.
 */
export type HeadVerdict = 'on' | 'validated' | 'instead';

const NO_BODY = Buffer.alloc(0);
const CONDITIONS = [
  ...['if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since', 'if-range', 'range'],
] as const;

const NOT_STORED = refusal(PROBLEMS.notCached, 'Nothing is stored that answers this request.');

/** What is needed of the store. */
export type ReplyStore = Pick<
  CacheStore,
  | 'find'
  | 'has'
  | 'hashOf'
  | 'serials'
  | 'isCurrent'
  | 'entryBytesMax'
  | 'evicted'
  | 'lastNumber'
  | 'put'
  | 'findForm'
  | 'putForm'
>;

export interface ReplyCacheParts {
  readonly store: ReplyStore;
  readonly leases: Pick<FetchLeases, 'take' | 'token' | 'tokenOf' | 'isHeld' | 'giveBack' | 'pass'>;
  readonly clock: Pick<Clock, 'nowMs' | 'unixMs' | 'every'>;
  readonly relays: Pick<ReplyRelays, 'hasOthers' | 'want' | 'accept'>;
  readonly replies: Pick<ReplyPath, 'head' | 'whole' | 'data' | 'end' | 'trailers' | 'takeBack'>;
  /** A reply was stored, and this many others went to make room. */
  onStored(evicted: number): void;
  /** A reply from memory goes out compressed, and its compressed body was stored as well. */
  onFormUsed(): void;
  /** The rest of a reply that has begun does not come. */
  onBroken(exchange: Exchange): void;
}

export class ReplyCache {
  /** Whether some route has a cache: only then do requests of others concern it. */
  isOn = false;
  private readonly waits: FetchWaits;
  private readonly flights: ReplyFlights;
  /** Those who get what is being fetched. */
  readonly followers: FlightFollowers;
  private readonly routes = new WeakMap<CompiledRouteCache, RouteCache>();
  private readonly refreshes: Refreshes;
  private readonly held: HeldLeases;
  private readonly keeper: ReplyKeeper;

  /** `goOn`: what an exchange has waited for may be there. */
  constructor(
    private readonly parts: ReplyCacheParts,
    goOn: (exchange: Exchange) => void,
  ) {
    const { clock, leases, relays } = parts;
    this.flights = new ReplyFlights({
      relays,
      clock,
      tokenOf: (hash) => leases.tokenOf(hash),
      onBegun: (hash) => this.waits.wake(hash),
    });
    this.followers = new FlightFollowers(parts, this.flights, goOn);
    this.held = new HeldLeases(parts, (hash) => this.waits.wake(hash));
    this.keeper = new ReplyKeeper({
      store: parts.store,
      judge: new ReplyJudge(parts, (exchange) => this.routeOf(exchange)),
      flights: this.flights,
      held: this.held,
      onStored: parts.onStored,
    });
    this.refreshes = new Refreshes(leases, clock);
    this.waits = new FetchWaits(
      clock,
      (hash) => {
        if (!leases.isHeld(hash, clock.nowMs(), Number.MAX_SAFE_INTEGER)) return true;
        this.flights.want(hash);
        return false;
      },
      goOn,
    );
  }

  private routeOf(exchange: Exchange): RouteCache {
    const { name, cache } = routeOf(exchange).config;
    const rules = defined(cache, 'the cache of a route');
    const known = this.routes.get(rules);
    if (known !== undefined) return known;
    const made = new RouteCache(name, rules);
    this.routes.set(rules, made);
    return made;
  }

  /** The first look. */
  open(exchange: Exchange): Look {
    const route = this.routeOf(exchange);
    const bypass = bypassOf(exchange);
    const key = bypass === null ? route.keyOf(exchange) : '';
    const caching = new Caching(route.rules, key, this.parts.store.hashOf(key));
    exchange.caching = caching;
    if (bypass === null) return this.look(exchange, caching);
    caching.bypass = bypass;
    this.forward(caching, bypass === 'method' ? 'method' : 'bypass');
    return 'fetch';
  }

  /** Looks for what is stored, also after a wait. */
  look(exchange: Exchange, caching: Caching): Look {
    const { rules } = caching;
    const said = askedBy(exchange);
    const asked = rules.clientMayBypass ? said : null;
    if (this.find(exchange, caching, asked)) return 'serve';
    caching.outcome = 'miss';
    if (said.onlyIfCached) {
      caching.statusField = NOT_CACHED_STATUS;
      return NOT_STORED;
    }
    const { store } = this.parts;
    const reason = caching.entry === null ? missReason(store, caching.key) : 'stale';
    this.forward(caching, asked?.noCache === true && caching.entry !== null ? 'request' : reason);
    const isHead = exchange.head.method === 'HEAD';
    const isPart = caching.entry === null && listIn(exchange, 'range') !== '';
    caching.mayStore = !isHead && !isPart && asked?.noStore !== true;
    if (!caching.mayStore) return 'fetch';
    return this.lease(exchange, caching, asked);
  }

  /** Whether something is stored that answers; what only fits is kept for later. */
  private find(exchange: Exchange, caching: Caching, asked: CacheDirectives | null): boolean {
    const request = variedRequest(exchange);
    const now = momentOf(this.parts.clock);
    const fits = (variant: string): boolean => fitsVariant(variant, request);
    const entry = this.parts.store.find(caching.key, fits, caching.keyHash);
    const { method } = exchange.head;
    caching.entry = entry;
    caching.body = null;
    if (entry === null) return false;
    const reuse = reuseOf(entry, asked, now);
    // What refreshes it behind its reply has no body.
    const isUsable = reuse === 'fresh' || (reuse === 'stale' && method !== QUERY);
    const isShort = isUsable && wantsNoBody(exchange, entry.head, now.unixMs);
    caching.body = isShort ? NO_BODY : entry.copyBody(isUsable);
    // It has gone since.
    if (caching.body === null) caching.entry = null;
    if (!isUsable || caching.entry === null) return false;
    entry.use();
    caching.outcome = reuse === 'stale' ? 'stale' : 'hit';
    caching.needsRefresh = reuse === 'stale';
    caching.reason = null;
    return true;
  }

  private lease(exchange: Exchange, caching: Caching, asked: CacheDirectives | null): Look {
    const { leases, clock } = this.parts;
    const { collapseMs } = caching.rules;
    if (this.followers.find(exchange, caching, asked)) return 'follow';
    const nowMs = clock.nowMs();
    const mayWait = caching.waitsUntilMs === 0 || nowMs < caching.waitsUntilMs;
    if (collapseMs > 0 && mayWait) {
      const result = leases.take(caching.keyHash, nowMs, collapseMs);
      if (result === 'wait') {
        this.wait(exchange, caching, nowMs + collapseMs);
        return 'wait';
      }
      if (result === 'taken') {
        caching.leaseToken = leases.token;
        // Whoever had it before may have stored what is wanted in between.
        if (this.find(exchange, caching, asked)) {
          this.held.giveBack(caching);
          return 'serve';
        }
      }
    }
    this.prepare(exchange, caching);
    return 'fetch';
  }

  private wait(exchange: Exchange, caching: Caching, untilMs: number): void {
    if (caching.waitsUntilMs === 0) caching.waitsUntilMs = untilMs;
    caching.isWaiting = true;
    caching.isCollapsed = true;
    this.waits.add(caching.keyHash, exchange);
    this.flights.want(caching.keyHash);
  }

  /** Ends the wait of an exchange, if there is one. */
  endWait(exchange: Exchange): void {
    const { caching } = exchange;
    if (caching === null || !caching.isWaiting) return;
    caching.isWaiting = false;
    this.waits.drop(caching.keyHash, exchange);
  }

  /** The target is asked for a whole reply, or whether the stored one is still good. */
  private prepare(exchange: Exchange, caching: Caching): void {
    const { store, clock } = this.parts;
    const { fields } = exchange.head;
    caching.purges = store.serials.purges;
    caching.placeSerial = store.serials.of(store.hashOf(placeOf(exchange)));
    caching.askedMs = clock.nowMs();
    for (const name of CONDITIONS) if (fields.value(name) !== '') fields.replacePlain(name, '');
    const { entry } = caching;
    if (entry === null) return;
    const asked = validationFields(validatorsOf(entry.head));
    for (let at = 0; at < asked.length; at += 2) {
      fields.replacePlain(asked[at] ?? '', asked[at + 1] ?? '');
    }
    caching.isValidating = asked.length > 0;
  }

  private forward(caching: Caching, reason: ForwardReason): void {
    caching.reason = reason;
    caching.outcome = reason === 'bypass' || reason === 'method' ? 'bypass' : 'miss';
    caching.statusField = forwardStatus(reason, { isCollapsed: caching.isCollapsed });
  }

  /** Sends what is stored. */
  serve(exchange: Exchange, caching: Caching): void {
    const { entry } = caching;
    if (entry === null) return;
    const leftS = freshLeftS(entry.head, momentOf(this.parts.clock));
    const { isCollapsed, needsRefresh } = caching;
    caching.statusField = hitStatus(leftS, { isCollapsed, isRevalidating: needsRefresh });
    this.send(exchange, caching, entry.head);
  }

  private send(exchange: Exchange, caching: Caching, head: EntryHead): void {
    const { clock, replies } = this.parts;
    const { body, entry } = caching;
    const bodyBytes = entry?.bodyBytes ?? 0;
    const content = { body: body ?? NO_BODY, bodyBytes };
    caching.isServing = true;
    const made = memoryReply(memoryRequestOf(exchange), head, content, momentOf(clock));
    // A part of the body, or none of it, has no forms.
    const isWhole = made.body === content.body && body !== null && body.length > 0;
    if (isWhole && hasStages(exchange)) caching.forms = this.formsOf(caching);
    replies.head(exchange, made.status, made, ownFieldsOf(exchange));
    if (!exchange.isFinished) replies.whole(exchange, made.body);
  }

  private formsOf(caching: Caching): StoredForms | null {
    const { entry, number, validated } = caching;
    // What was validated is stored anew, if it is.
    const ofBody = validated === null ? (entry?.number ?? 0) : number;
    return ofBody === 0 ? null : new StoredForms(this.parts, caching, ofBody);
  }

  /**
   * What an exchange without a client is to do for this one, whose reply was stale; null: another
   * one does it already, or too many are under way.
   */
  tryRefresh(exchange: Exchange): Caching | null {
    const { caching } = exchange;
    return caching === null ? null : this.refreshes.tryBegin(caching, this.refreshMs(exchange));
  }

  /** How long that may take, and keeps others from doing the same. */
  refreshMs(exchange: Exchange): number {
    return upstreamOf(exchange).timeouts.perTryMs;
  }

  openRefresh(exchange: Exchange, caching: Caching): void {
    exchange.caching = caching;
    const request = variedRequest(exchange);
    const entry = this.parts.store.find(caching.key, (variant) => fitsVariant(variant, request));
    caching.body = entry === null ? null : entry.copyBody();
    caching.entry = caching.body === null ? null : entry;
    this.forward(caching, 'stale');
    caching.mayStore = true;
    this.prepare(exchange, caching);
  }

  /** Whether the stored reply may answer, since there is no good one. */
  canServeOnError({ caching, reply, isAside }: Exchange): boolean {
    if (caching === null || isAside || reply.isStarted || caching.isServing) return false;
    const { entry, body } = caching;
    if (entry === null || body === null) return false;
    return mayServeOnError(entry.head, momentOf(this.parts.clock));
  }

  serveOnError(exchange: Exchange): void {
    const { caching } = exchange;
    if (caching === null) return;
    // Before those who wait go on: they are to find nothing of it.
    this.keeper.dropBegun(caching);
    this.held.giveBack(caching);
    caching.outcome = 'stale';
    this.serve(exchange, caching);
  }

  /** The head that a target gives. */
  onHead(exchange: Exchange, status: number, block: ReplyFieldBlock): HeadVerdict {
    const { caching } = exchange;
    if (caching === null) return 'on';
    if (status === 304 && caching.isValidating && isAboutEntry(caching, block.fields)) {
      caching.validated = block.fields;
      caching.validatedDate = block.date;
      return 'validated';
    }
    const isFailure = status === 500 || (status >= 502 && status <= 504);
    if (isFailure && this.canServeOnError(exchange)) return 'instead';
    // What is stored is better than that, also where a failure could be stored.
    if (isFailure && caching.isRefresh) return 'on';
    this.keeper.begin(exchange, caching, status, block);
    return 'on';
  }

  /** The try whose reply has begun has failed: nothing of that is stored, or given to others. */
  dropBegun({ caching }: Exchange): void {
    if (caching !== null) this.keeper.dropBegun(caching);
  }

  /** A part of a target's body. */
  onData(exchange: Exchange, chunk: Buffer, isLast: boolean): void {
    this.keeper.onData(exchange, chunk, isLast);
  }

  /** All of a target's reply has come. */
  onEnd(caching: Caching, trailers: FieldBlock): void {
    this.keeper.onEnd(caching, trailers);
  }

  /** The target has said that the stored reply is good: it goes out with what was said. */
  serveValidated(exchange: Exchange): void {
    const { caching } = exchange;
    const validated = caching?.validated ?? null;
    if (caching === null || validated === null) return;
    const head = this.keeper.keepValidated(exchange, caching, validated);
    if (head !== null && !exchange.isAside) this.send(exchange, caching, head);
  }

  /** A target has answered a request of any route: what it may have changed is void. */
  onWritten(exchange: Exchange, status: number, fields: FieldBlock): void {
    if (invalidates(exchange.head.method, status)) voidWritten(this.parts.store, exchange, fields);
  }

  /** The exchange is over. */
  release(exchange: Exchange): void {
    const { caching } = exchange;
    if (caching === null) return;
    this.endWait(exchange);
    if (caching.isRefresh) this.refreshes.end();
    this.keeper.release(caching);
    this.followers.leave(caching);
  }
}

/** What a soft purge has made stale answers while it is validated, where a stale reply may. */
function reuseOf(entry: FoundEntry, asked: CacheDirectives | null, now: Moment): Reuse {
  const reuse = judgeReuse(entry.head, asked, now);
  if (!entry.isSoft || reuse !== 'fresh') return reuse;
  return entry.head.whileRevalidateMs > 0 ? 'stale' : 'validate';
}

function hasStages({ route }: Exchange): boolean {
  return route !== null && route.replyStages.length > 0;
}

function missReason(store: ReplyStore, key: string): ForwardReason {
  return store.has(key) ? 'vary-miss' : 'uri-miss';
}

function isAboutEntry({ entry }: Caching, fields: FieldBlock): boolean {
  if (entry === null) return false;
  const etag = listOf(fields, 'etag');
  const lastModified = listOf(fields, 'last-modified');
  return isAbout({ etag, lastModified, date: '' }, validatorsOf(entry.head));
}
