/**
 * Gives clients what is being fetched while it comes, at the pace of each.
 *
 * Thread: worker. Owns nothing: what it knows is the exchanges'. A fetch is not held back by the
 * client that it was begun for, and goes on when that leaves as long as others get it. When it
 * fails, those who have got bytes are cut off, as by any target that dies; the others look again.
 */
import { type Clock, momentOf } from '../../base/clock.js';
import type { CacheStore } from '../../channel/cache/cache-store.js';
import type { CacheDirectives } from '../../policy/caching/cache-directives.js';
import { hitStatus } from '../../policy/caching/cache-status.js';
import { freshLeftS, judgeReuse } from '../../policy/caching/reuse.js';
import { fitsVariant } from '../../policy/caching/variant.js';
import type { Caching } from '../exchange/caching.js';
import type { Exchange } from '../exchange/exchange.js';
import type { ReplyFlight } from '../exchange/reply-flight.js';
import type { ReplyPath } from '../reply/reply-path.js';
import { memoryRequestOf, ownFieldsOf } from './cached-request.js';
import { ClientReader } from './flight-readers.js';
import { memoryReply } from './memory-reply.js';
import type { ReplyFlights } from './reply-flights.js';
import { listIn, variedRequest } from './route-cache.js';

const NO_BODY = Buffer.alloc(0);

export interface FlightFollowersParts {
  readonly store: Pick<CacheStore, 'serials' | 'isCurrent'>;
  readonly clock: Pick<Clock, 'nowMs' | 'unixMs'>;
  readonly replies: Pick<ReplyPath, 'head' | 'whole' | 'data' | 'end' | 'trailers' | 'takeBack'>;
  /** The rest of a reply that has begun does not come. */
  onBroken(exchange: Exchange): void;
}

export class FlightFollowers {
  /** `goOn`: what the exchange has waited for does not come. */
  constructor(
    private readonly parts: FlightFollowersParts,
    private readonly flights: ReplyFlights,
    private readonly goOn: (exchange: Exchange) => void,
  ) {}

  /** Whether a reply that answers the request has begun to come. */
  find(exchange: Exchange, caching: Caching, asked: CacheDirectives | null): boolean {
    const flight = this.flights.find(caching.keyHash);
    if (flight === null || exchange.isAside) return false;
    const { store, clock } = this.parts;
    const { head, purges } = flight.reply;
    const isFor = head.key === caching.key && fitsVariant(head.variant, variedRequest(exchange));
    // Parts are made of the whole.
    if (!isFor || (head.status === 200 && listIn(exchange, 'range') !== '')) return false;
    if (!store.serials.isPurgeFree(purges) || !store.isCurrent(head)) return false;
    if (judgeReuse(head, asked, momentOf(clock)) !== 'fresh') return false;
    caching.flight = flight;
    return true;
  }

  /** Sends what is being fetched, as far as it has come and then as it comes. */
  follow(exchange: Exchange, caching: Caching): void {
    const { flight } = caching;
    if (flight === null) return;
    const { clock, replies } = this.parts;
    const { head, bodyBytes } = flight.reply;
    const now = momentOf(clock);
    caching.isServing = true;
    caching.isCollapsed = true;
    caching.outcome = 'hit';
    caching.reason = null;
    caching.statusField = hitStatus(freshLeftS(head, now), { isCollapsed: true });
    const content = { body: NO_BODY, bodyBytes };
    const made = memoryReply(memoryRequestOf(exchange), head, content, now);
    replies.head(exchange, made.status, made, ownFieldsOf(exchange));
    if (exchange.isFinished) return;
    if (exchange.reply.isBodiless) replies.whole(exchange, NO_BODY);
    else this.read(exchange, caching, flight, 0);
  }

  private read(exchange: Exchange, caching: Caching, flight: ReplyFlight, from: number): void {
    const reader = new ClientReader(
      { exchange, replies: this.parts.replies, onBroken: (one) => this.onBroken(one) },
      flight,
      from,
    );
    caching.reader = reader;
    flight.join(reader);
    reader.pump();
  }

  /** Whoever fetches has failed. A client that has got nothing yet may get another reply. */
  private onBroken(exchange: Exchange): void {
    const { caching, reply } = exchange;
    // What fetches itself is told by its target.
    if (caching === null || !caching.isServing) return;
    caching.reader = null;
    caching.flight = null;
    caching.isServing = false;
    if (reply.isStarted) {
      this.parts.onBroken(exchange);
    } else {
      this.parts.replies.takeBack(exchange);
      this.goOn(exchange);
    }
  }

  /**
   * The client takes no more for now, and its target need not wait for it: the reply is stored, and
   * the client gets it at its own pace. False: the target waits.
   */
  detach(exchange: Exchange): boolean {
    const { caching } = exchange;
    const flight = caching?.flight ?? null;
    if (caching === null || flight === null || !this.flights.isShared(flight)) return false;
    this.read(exchange, caching, flight, flight.pieceEnd);
    return flight.mayGoOn();
  }

  /** Whether others get what the exchange fetches, also when its own client has gone. */
  isWanted({ caching }: Exchange): boolean {
    if (caching === null || caching.flight === null || caching.isServing) return false;
    const { flight, reader } = caching;
    return !flight.isWhole && !flight.isBroken && flight.hasReaders(reader);
  }

  /** Others, who have deadlines of their own, keep its target waiting: neither end is to blame. */
  isTargetHeld({ caching, reply }: Exchange): boolean {
    return caching?.flight?.isSourceHeld === true && !reply.isTargetPaused;
  }

  /** Its client has gone. */
  leaveClient({ caching }: Exchange): void {
    if (caching === null) return;
    const { flight, reader } = caching;
    caching.reader = null;
    if (reader !== null) flight?.leave(reader);
  }

  /** The exchange is over, or something else answers it. */
  leave(caching: Caching): void {
    const { flight, reader, isServing } = caching;
    caching.flight = null;
    caching.reader = null;
    if (reader !== null) flight?.leave(reader);
    if (!isServing) flight?.break();
  }
}
