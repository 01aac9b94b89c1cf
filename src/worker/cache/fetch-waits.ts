/**
 * Exchanges that wait for what others fetch.
 *
 * Thread: worker. Owns them, and one timer while there are any. Those that wait for an exchange of
 * this worker go on at once when it is done; those that wait for another worker's look at the lease
 * every few milliseconds, which costs a read of shared memory each.
 */
import type { Clock, Timer } from '../../base/clock.js';
import type { Exchange } from '../exchange/exchange.js';

const LOOK_MS = 5;

export class FetchWaits {
  private readonly byHash = new Map<number, Set<Exchange>>();
  private timer: Timer | null = null;

  /** `look`: whether what an exchange waits for may be there, or it may fetch itself. */
  constructor(
    private readonly clock: Pick<Clock, 'every'>,
    private readonly isOver: (hash: number) => boolean,
    private readonly goOn: (exchange: Exchange) => void,
  ) {}

  add(hash: number, exchange: Exchange): void {
    const waiting = this.byHash.get(hash);
    if (waiting === undefined) this.byHash.set(hash, new Set([exchange]));
    else waiting.add(exchange);
    this.timer ??= this.clock.every(LOOK_MS, () => this.look());
  }

  drop(hash: number, exchange: Exchange): void {
    const waiting = this.byHash.get(hash);
    if (waiting === undefined) return;
    waiting.delete(exchange);
    if (waiting.size === 0) this.byHash.delete(hash);
    if (this.byHash.size > 0) return;
    this.timer?.cancel();
    this.timer = null;
  }

  /** What is waited for under this hash has come, or does not come. */
  wake(hash: number): void {
    for (const exchange of [...(this.byHash.get(hash) ?? [])]) {
      this.drop(hash, exchange);
      this.goOn(exchange);
    }
  }

  private look(): void {
    for (const hash of [...this.byHash.keys()]) if (this.isOver(hash)) this.wake(hash);
  }
}
