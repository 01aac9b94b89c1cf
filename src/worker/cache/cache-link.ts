/**
 * Brings the cache of a worker and its answerer together, each of which calls the other.
 *
 * Thread: worker.
 */
import type { Exchange } from '../exchange/exchange.js';
import { ReplyCache, type ReplyCacheParts } from './reply-cache.js';

export class CacheLink {
  readonly cache: ReplyCache;
  private goOn: (exchange: Exchange) => void = () => {};

  constructor(parts: ReplyCacheParts) {
    this.cache = new ReplyCache(parts, (exchange) => this.goOn(exchange));
  }

  /** From now on exchanges that have waited go on there. */
  connect(goOn: (exchange: Exchange) => void): void {
    this.goOn = goOn;
  }
}
