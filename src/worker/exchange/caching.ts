/**
 * What the cache knows of one exchange: what it looked for, found, and is to store.
 *
 * Thread: worker. Made and changed by worker/cache/reply-cache.ts.
 */

import type { BypassReason, NotStored } from '../../base/cache-reasons.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import type { FoundEntry } from '../../channel/cache/cache-segment.js';
import type { CompiledRouteCache } from '../../config/compiled-replies.js';
import type { CodedForms } from '../../filters/coded-forms.js';
import type { ForwardReason } from '../../policy/caching/cache-status.js';

import type { FlightReader, ReplyFlight } from './reply-flight.js';

/** What the access record says, and what is counted. */
export type CacheOutcome = 'hit' | 'stale' | 'revalidated' | 'miss' | 'bypass';

export class Caching {
  outcome: CacheOutcome = 'bypass';
  /** Why a target was asked; null: none was. */
  reason: ForwardReason | null = null;
  /** Why the cache has nothing to do with the request; null: it has. */
  bypass: BypassReason | null = null;
  /** Why the reply of the target is not stored; null: it is, or nobody has judged it. */
  notStored: NotStored | null = null;
  /** Cache-Status of the reply, as far as it is known. */
  statusField: FieldBlock = NO_FIELDS;
  /** What is stored and fits; null: nothing. */
  entry: FoundEntry | null = null;
  /** Its body, copied before it could go. */
  body: Buffer | null = null;
  /** Under which number the reply was stored that its target has validated; 0: it was not. */
  number = 0;
  /** Of the body that goes out as it is stored; null: none. */
  forms: CodedForms | null = null;
  /** Its target was asked whether the entry is still good. */
  isValidating = false;
  /** And has said yes, with these fields. */
  validated: FieldBlock | null = null;
  validatedDate = '';
  /** It waits for what another exchange fetches. */
  isWaiting = false;
  /** Until when it does. */
  waitsUntilMs = 0;
  isCollapsed = false;
  /** 0: it holds no lease. */
  leaseToken = 0;
  /** The reply that is being fetched, here or for this one; null: none that others get. */
  flight: ReplyFlight | null = null;
  /** By which the client gets the flight; null: it gets what its target sends, or nothing. */
  reader: FlightReader | null = null;
  /** What its target sends is to be stored. */
  isCapturing = false;
  /** The reply comes from memory. */
  isServing = false;
  /** Serials when its target was asked. */
  purges = 0;
  placeSerial = 0;
  /** When its target was asked, on the monotonic clock. */
  askedMs = 0;

  /** What answers is stale, and is to be brought up to date behind it. */
  needsRefresh = false;
  /** The exchange is there for that only. */
  isRefresh = false;
  /** Something was stored of what its target has said. */
  isStored = false;

  /** Its reply is one that others may get. */
  mayStore = false;

  /** More of what its target says is of use. */
  get isFetching(): boolean {
    return this.isCapturing || this.validated !== null;
  }

  constructor(
    readonly rules: CompiledRouteCache,
    /** '': nothing is looked for. */
    readonly key: string,
    readonly keyHash: number,
  ) {}
}
