/** The reply of a target that is to be stored, and that others get while it comes. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src/base/assert.js';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import type { FoundEntry } from '../../../../src/channel/cache/cache-segment.js';
import {
  OUTCOME_CANCELLED,
  OUTCOME_SUCCESS,
} from '../../../../src/channel/coordinator/coordinator-records.js';
import type { CompiledRouteCache } from '../../../../src/config/compiled-replies.js';
import { ClientReader } from '../../../../src/worker/cache/flight-readers.js';
import { Caching } from '../../../../src/worker/exchange/caching.js';
import { upstreamOf } from '../../../../src/worker/exchange/exchange.js';
import {
  type FlightHead,
  type FlightReader,
  ReplyFlight,
} from '../../../../src/worker/exchange/reply-flight.js';
import type { UpstreamTry } from '../../../../src/worker/upstream/upstream-try.js';
import { Rig, take } from '../../../support/retry-rig.js';

const PIECE = Buffer.from('a piece');
const PLAIN = { method: 'GET', hedgeAfterMs: -1, routeTimeoutMs: 0 };

/** Another client, which takes nothing. */
class Follower implements FlightReader {
  at = 0;
  isBroken = false;

  pump(): void {}

  onBroken(): void {
    this.isBroken = true;
  }
}

/** A request whose reply is captured: its target is asked, and connected. */
function aFetch() {
  const rig = new Rig(PLAIN);
  const rules: Partial<CompiledRouteCache> = { entryBytesMax: 1 << 20 };
  const caching = new Caching(rules as CompiledRouteCache, 'k', 7);
  const owner = { isFull: false, onHeld: () => {}, onOver: () => {} };
  const flight = new ReplyFlight({} as FlightHead, owner, () => {});
  rig.exchange.caching = caching;
  take(rig, { what: 'connect', which: 0 });
  take(rig, { what: 'head', which: 0, status: 200 });
  caching.flight = flight;
  caching.isCapturing = true;
  return { rig, caching, flight };
}

function tryOf({ exchange }: Rig): UpstreamTry {
  return defined(exchange.tries.current, 'the try') as UpstreamTry;
}

describe('a reply that is fetched for the cache', () => {
  it('leaves nothing for the next try when its own fails before the client has a status', () => {
    const { rig, caching, flight } = aFetch();
    const follower = new Follower();
    flight.join(follower);
    caching.validated = NO_FIELDS;
    take(rig, { what: 'error', which: 0, code: 'UND_ERR_SOCKET' });
    expect(rig.exchange.tries.retries, 'another try is planned').toBe(1);
    expect(follower.isBroken).toBe(true);
    expect(caching.flight).toBeNull();
    expect(caching.isFetching).toBe(false);
    expect(caching.notStored).toBe('incomplete');
  });

  it('breaks off for all others when a stored one answers in its place', () => {
    const { rig, caching, flight } = aFetch();
    const entry = { head: { status: 200, fields: NO_FIELDS, date: '' }, bodyBytes: 1 };
    caching.entry = entry as FoundEntry;
    caching.body = Buffer.from('x');
    rig.cache.serveOnError(rig.exchange);
    expect(caching.isServing).toBe(true);
    expect(flight.isBroken).toBe(true);
    expect(caching.isFetching).toBe(false);
  });

  it('waits for the slowest who gets it once it is too long to be stored', () => {
    const { rig, caching, flight } = aFetch();
    const attempt = tryOf(rig);
    const follower = new Follower();
    flight.join(follower);
    expect(rig.loop.onBody(attempt, PIECE, false), 'as long as it may be stored').toBe(true);
    caching.isCapturing = false;
    flight.seal();
    expect(rig.loop.onBody(attempt, PIECE, false)).toBe(false);
    // Neither this client nor its target is to blame.
    const { idleMs } = upstreamOf(rig.exchange).timeouts;
    for (let times = 0; times < 3; times += 1) rig.advance(idleMs + 1000);
    expect(rig.exchange.isFinished).toBe(false);
    follower.at = flight.pieceEnd;
    expect(rig.loop.onBody(attempt, PIECE, false), 'one piece later').toBe(false);
    flight.leave(follower);
    expect(rig.loop.onBody(attempt, PIECE, false), 'nobody is slow').toBe(true);
  });

  it('ends when its client and all others have gone, unless it may still be stored', () => {
    const { rig, caching, flight } = aFetch();
    const attempt = tryOf(rig);
    const follower = new Follower();
    flight.join(follower);
    rig.exchange.isAside = true;
    caching.isCapturing = false;
    rig.loop.onBody(attempt, PIECE, false);
    expect(rig.exchange.isFinished, 'another one gets it').toBe(false);
    flight.leave(follower);
    caching.isCapturing = true;
    rig.loop.onBody(attempt, PIECE, false);
    expect(rig.exchange.isFinished, 'it is to be stored').toBe(false);
    caching.isCapturing = false;
    rig.loop.onBody(attempt, PIECE, false);
    expect(rig.exchange.isFinished).toBe(true);
    expect(rig.outcomes).toEqual([OUTCOME_CANCELLED]);
  });

  it('has its time between two parts, not that for its head, when its client has gone', () => {
    const { rig, flight } = aFetch();
    const { timeouts } = upstreamOf(rig.exchange);
    flight.join(new Follower());
    rig.replies.goOnAside(rig.exchange);
    rig.exchange.isAside = true;
    const attempt = tryOf(rig);
    for (let ms = 0; ms < 2 * timeouts.perTryMs; ms += timeouts.idleMs / 2) {
      rig.loop.onBody(attempt, PIECE, false);
      rig.advance(timeouts.idleMs / 2);
    }
    expect(rig.outcomes).toEqual([]);
    for (let ms = 0; ms < 3 * timeouts.idleMs; ms += 100) rig.advance(100);
    expect(rig.outcomes).not.toEqual([]);
  });

  describe('and whose own client gets it at its own pace', () => {
    /** All but the last part has gone out. */
    function aDetached() {
      const { rig, caching, flight } = aFetch();
      const { exchange, replies } = rig;
      const attempt = tryOf(rig);
      caching.isCapturing = false;
      rig.loop.onBody(attempt, PIECE, false);
      const reader = new ClientReader({ exchange, replies, onBroken: () => {} }, flight, 1);
      caching.reader = reader;
      flight.join(reader);
      return { rig, attempt };
    }

    it('ends once, with its last part', () => {
      const { rig, attempt } = aDetached();
      rig.loop.onBody(attempt, PIECE, true);
      rig.endTurn();
      expect(rig.exchange.isFinished).toBe(true);
      expect(rig.ends).toBe(1);
      expect(rig.exchange.reply.bytesSent).toBe(2 * PIECE.length);
      expect(rig.outcomes, 'its target has done well').toEqual([OUTCOME_SUCCESS]);
    });

    it('ends once, without a length', () => {
      const { rig, attempt } = aDetached();
      rig.loop.onComplete(attempt, NO_FIELDS);
      rig.endTurn();
      expect(rig.exchange.isFinished).toBe(true);
      expect(rig.ends).toBe(1);
    });
  });
});
