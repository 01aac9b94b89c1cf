/**
 * All exchanges share one hidden class, and so do their groups: reads on the hot path stay as cheap
 * as they are for one class. A field that is added later, or set in another order, breaks that.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { field, NO_FIELDS } from '../../src/base/field-block.js';
import { PROBLEMS } from '../../src/base/problems.js';
import type { Exchange } from '../../src/worker/exchange/exchange.js';
import { KeptReply } from '../../src/worker/exchange/kept-reply.js';
import type { TryInFlight } from '../../src/worker/exchange/try-in-flight.js';
import { makeExchange } from '../support/make-exchange.js';
import { GROUPS } from './exchange-rules.js';

setFlagsFromString('--allow-natives-syntax');
const haveSameMap: (one: object, other: object) => boolean = runInNewContext(
  '(one, other) => %HaveSameMap(one, other)',
);

const BLOCK = { fields: field('X-A', '1'), bodyBytes: 12 };

function aTry(): TryInFlight {
  const attempt: Partial<TryInFlight> = { targetIndex: 3, ticket: 70_000, headDeadlineMs: 7.5 };
  return attempt as TryInFlight;
}

/** What happens to exchanges, each from its beginning. */
const LIVES: Readonly<Record<string, (exchange: Exchange) => void>> = {
  'is refused by a limit': ({ admission, reply }) => {
    admission.onAsked(2 ** 30);
    admission.onAskOver();
    admission.onLimits(field('RateLimit', '"a";r=0'));
    reply.onLocal(429, PROBLEMS.rateLimited);
    reply.begin(120);
  },
  'is answered by its first target': ({ admission, tries, reply }) => {
    admission.onBalanceHash(-(2 ** 31));
    admission.onPreference(1);
    admission.onAdmitted(3, 2 ** 31);
    admission.onPlace(2 ** 31);
    admission.onEntered(1.25);
    admission.handOver();
    tries.endBy(10_000.5);
    tries.onSent(aTry());
    tries.onHead(0.75);
    tries.onAnswered(aTry());
    reply.onHead(200, BLOCK, false, 2.5);
    reply.holdHead();
    reply.begin(12);
    tries.clear();
  },
  'is retried and hedged, and cut in the end': ({ tries, reply }) => {
    const first = aTry();
    tries.planHedge(50.5);
    tries.onSent(first);
    tries.endHedgePlan();
    tries.awaitVerdict(100.5);
    tries.endWait();
    tries.onSent(aTry());
    tries.onResent(first, aTry());
    tries.onEnded(first, 1 << 30);
    tries.onFailed(PROBLEMS.upstreamReset);
    tries.planRetry(80.5);
    tries.endBackOff();
    tries.keep(new KeptReply(first, 503, BLOCK));
    reply.onHead(503, { fields: NO_FIELDS, bodyBytes: -1 }, true, 9.5);
    reply.begin(0);
    reply.takeWindow(2 ** 31);
    reply.pause();
    reply.giveWindow(2 ** 31);
    reply.resume();
    reply.onMoved(10.5);
    reply.onCut(PROBLEMS.requestTimeout);
  },
  'uploads a stream and leaves': ({ upload, reply }) => {
    upload.watchBy({ stop: () => {} });
    upload.streamed(() => {});
    upload.take(Buffer.alloc(9), false, 3.5);
    upload.onCredit(9);
    upload.take(Buffer.alloc(9), true, 4.5);
    reply.onClientLeft();
    upload.release();
  },
  'has its body filtered': ({ upload }) => {
    upload.take(Buffer.from('{"a":'), false, 1);
    upload.take(Buffer.from('1}'), true, 2);
    upload.collected();
    upload.replace(Buffer.from('{}'));
  },
  'belongs to a caller': (exchange) => {
    exchange.identify({ consumer: 'ada', claims: { sub: 'ada' }, fields: ['x-user', 'ada'] });
    exchange.rewrittenTarget = '/b?c=d';
    exchange.addedFields = ['x-a', '1'];
    exchange.phase = 6;
    exchange.isFinished = true;
  },
};

function begin(name: string): Exchange {
  return makeExchange(
    name.includes('stream') ? { bodyBytes: -1, isComplete: false } : { isComplete: false },
  );
}

function partsOf(exchange: Exchange): readonly object[] {
  const groups = Object.keys(GROUPS).map((name) => Reflect.get(exchange, name) as object);
  return [exchange, ...groups];
}

describe('an exchange', () => {
  // Each kind of value is seen once: from then on the classes are as general as they will be.
  for (const [name, live] of Object.entries(LIVES)) live(begin(name));

  it.each(Object.entries(LIVES))('that %s has the hidden classes of a new one', (name, live) => {
    const exchange = begin(name);
    live(exchange);
    const fresh = partsOf(makeExchange());
    for (const [at, part] of partsOf(exchange).entries()) {
      const like = fresh[at] ?? {};
      expect(Object.keys(part)).toEqual(Object.keys(like));
      expect(haveSameMap(part, like), part.constructor.name).toBe(true);
    }
  });

  it('with one field more has another class', () => {
    const [one, other] = [makeExchange(), makeExchange()];
    expect(haveSameMap(one.reply, other.reply)).toBe(true);
    Object.assign(one.reply, { added: 1 });
    expect(haveSameMap(one.reply, other.reply)).toBe(false);
  });
});
