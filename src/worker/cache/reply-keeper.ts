/**
 * Stores what targets say, once all of it has come.
 *
 * Thread: worker. Owns the count of what went to make room. A reply is stored only as it came from
 * its target; whether it may be: reply-judge.ts. Others get it while it comes: reply-flights.ts.
 */
import type { NotStored } from '../../base/cache-reasons.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import type { EntryHead } from '../../channel/cache/cache-entry.js';
import type { CacheStore } from '../../channel/cache/cache-store.js';
import { forwardStatus } from '../../policy/caching/cache-status.js';
import { updatedFields } from '../../policy/caching/update-fields.js';
import type { ReplyFieldBlock } from '../../wire/http1/reply-fields.js';
import type { Caching } from '../exchange/caching.js';
import type { Exchange } from '../exchange/exchange.js';
import type { HeldLeases } from './held-leases.js';
import type { ReplyFlights } from './reply-flights.js';
import type { ReplyJudge } from './reply-judge.js';

/** Statuses that say that the stored reply is not what its target would answer. */
const REPLACES: readonly number[] = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410];

export interface ReplyKeeperParts {
  readonly store: Pick<CacheStore, 'put' | 'evicted' | 'lastNumber'>;
  readonly judge: ReplyJudge;
  readonly flights: ReplyFlights;
  readonly held: HeldLeases;
  /** A reply was stored, and this many others went to make room. */
  onStored(evicted: number): void;
}

export class ReplyKeeper {
  private evicted = 0;

  constructor(private readonly parts: ReplyKeeperParts) {}

  /** The head of a reply that goes on to the client. */
  begin(exchange: Exchange, caching: Caching, status: number, block: ReplyFieldBlock): void {
    const { judge, flights, held } = this.parts;
    const judged = caching.mayStore
      ? judge.judge(exchange, caching, { status, ...pickBlock(block) })
      : judge.refuse(caching, exchange.head.method === 'HEAD' ? 'method' : 'request');
    if (judged === null) {
      // What it says now is in force for all: the stored reply is not, however stale it may be.
      if (caching.mayStore && REPLACES.includes(status)) caching.entry?.kill();
      held.pass(caching);
    } else {
      const head = judge.entryOf(exchange, caching, judged, { status, date: block.date });
      const { purges, rules } = caching;
      const { bodyBytes } = block;
      const reply = { head, bodyBytes, bytesMax: rules.entryBytesMax, purges };
      caching.isCapturing = true;
      caching.flight = flights.begin(caching, reply, () => exchange.tries.current?.resume());
    }
    const isStored = judged !== null;
    const { reason, isCollapsed } = caching;
    if (reason !== null) {
      caching.statusField = forwardStatus(reason, { status, isStored, isCollapsed });
    }
  }

  /** A part of a target's body. */
  onData({ caching }: Exchange, chunk: Buffer, isLast: boolean): void {
    const flight = caching?.flight ?? null;
    if (caching === null || flight === null) return;
    // Copied: the bytes are valid inside the call only.
    flight.push(Buffer.from(chunk));
    if (caching.isCapturing && flight.bytes > caching.rules.entryBytesMax) {
      this.endCapture(caching, 'too-large');
      flight.seal();
    }
    if (isLast) this.onEnd(caching, NO_FIELDS);
  }

  /** It is not stored, and nobody is to wait for such a reply for a while. */
  private endCapture(caching: Caching, reason: NotStored): void {
    caching.isCapturing = false;
    this.parts.judge.refuse(caching, reason);
    this.parts.held.pass(caching);
  }

  /** All of a target's reply has come. What has trailers is not stored. */
  onEnd(caching: Caching, trailers: FieldBlock): void {
    const { flight } = caching;
    if (flight === null) return;
    if (caching.isCapturing && trailers !== NO_FIELDS) {
      this.endCapture(caching, 'trailers');
    } else if (caching.isCapturing) {
      caching.isCapturing = false;
      // A purge says nothing of the replies that come after it.
      if (!this.put(caching, flight.reply.head, flight.whole())) {
        this.parts.judge.refuse(caching, 'purged');
      }
      this.parts.held.giveBack(caching);
    }
    flight.end(trailers);
  }

  /** The target has said that the stored reply is good: what it is now, stored or not. */
  keepValidated(exchange: Exchange, caching: Caching, validated: FieldBlock): EntryHead | null {
    const { judge, held } = this.parts;
    const { entry, body } = caching;
    if (entry === null || body === null) return null;
    const { status } = entry.head;
    const fields = updatedFields(entry.head.fields, validated);
    const date = caching.validatedDate === '' ? entry.head.date : caching.validatedDate;
    const bodyBytes = body.length;
    const judged = judge.judge(exchange, caching, { status, fields, date, bodyBytes });
    caching.outcome = 'revalidated';
    caching.statusField = forwardStatus('stale', { status: 304, isStored: judged !== null });
    if (judged === null) {
      entry.kill();
      held.pass(caching);
      return { ...entry.head, fields, date };
    }
    const head = judge.entryOf(exchange, caching, judged, { status, date });
    caching.number = this.put(caching, head, body) ? this.parts.store.lastNumber : 0;
    held.giveBack(caching);
    return head;
  }

  private put(caching: Caching, head: EntryHead, body: Buffer): boolean {
    const { store, onStored } = this.parts;
    if (!store.put(head, body, caching.purges)) return false;
    caching.isStored = true;
    // A try before this one may have come to nothing.
    caching.notStored = null;
    onStored(store.evicted - this.evicted);
    this.evicted = store.evicted;
    return true;
  }

  /** What a target has begun does not come to its end; another reply of a target may. */
  dropBegun(caching: Caching): void {
    const { flight } = caching;
    // What is followed is another exchange's.
    if (caching.isServing) return;
    this.endIncomplete(caching);
    caching.validated = null;
    caching.flight = null;
    caching.reader = null;
    flight?.break();
  }

  /** The exchange is over. */
  release(caching: Caching): void {
    this.endIncomplete(caching);
    this.parts.held.giveBack(caching);
  }

  private endIncomplete(caching: Caching): void {
    if (caching.isCapturing) this.parts.judge.refuse(caching, 'incomplete');
    caching.isCapturing = false;
  }
}

function pickBlock({ fields, date, bodyBytes }: ReplyFieldBlock): ReplyFieldBlock {
  return { fields, date, bodyBytes };
}
