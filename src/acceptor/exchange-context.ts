/**
 * What the exchanges of a listener share: what they ask it, and what they tell it.
 *
 * Thread: acceptor. acceptor-listener.ts implements it.
 */

import type { Clock } from '../base/clock.js';
import type { ErrorPage } from '../base/error-pages.js';
import type { FieldBlock } from '../base/field-block.js';
import type { RequestIdSource } from '../base/request-id.js';
import type { LaneDispatcher } from './lane-dispatcher.js';
import type { LocalReplyRecord } from './local-reply.js';

/** What an exchange needs of the listener that its connection came to. */
export interface ExchangeContext {
  readonly clock: Clock;
  readonly dispatcher: LaneDispatcher;
  readonly requestIds: RequestIdSource;
  /** The longest body of a request that begins now. */
  readonly bodyBytesMax: number;
  /** Bytes that are read on behind a reply that came before the end of its upload. */
  readonly lingerBytesMax: number;
  /** Where every request is to ask again by https; 0: nowhere. */
  readonly redirectPort: number;
  /** Connections close behind their replies. */
  readonly isDraining: boolean;
  /** The gateway itself has closed every connection. */
  readonly isClosed: boolean;
  /** Fields of a reply that is made without a worker, by the head of its request. */
  fieldsOfRefusal(method: string, target: string, text: string): FieldBlock;
  /** Its page; null: it is a problem document. */
  pageOfRefusal(record: LocalReplyRecord, detail: string, text: string): ErrorPage | null;
  /** A reply was made without a worker. */
  onLocalReply(record: LocalReplyRecord): void;
  /** A mistake of ours; the exchange is cut off. */
  onError(error: unknown): void;
}
