/**
 * A key in a store that exists as long as its node keeps a hold on it: a lease, or a session.
 *
 * Thread: supervisor (on the main thread). Owns a hold and a timer. A hold that is gone, because
 * the node was away for too long or the store was rebuilt, is followed by another one, and the key
 * is written again.
 */
import type { Clock, Timer } from '../../base/clock.js';
import { StoreError } from '../../base/store-errors.js';
import type { Presence } from './config-store.js';

/** A node that is away for longer is no longer shown, and not waited for. */
export const HOLD_SECONDS = 15;
const KEEP_MS = 5000;

/** `H`: how the store names a hold. */
export abstract class KeptPresence<H> implements Presence {
  private readonly keeping: Timer;
  private text = '';
  private held: H | null = null;
  private isWritten = true;
  private isStopped = false;
  private work: Promise<void> = Promise.resolve();

  constructor(clock: Pick<Clock, 'every'>) {
    this.keeping = clock.every(KEEP_MS, () => this.schedule(() => this.keep()));
  }

  protected abstract begin(): Promise<H>;
  /** False: the store no longer knows it. */
  protected abstract keepUp(held: H): Promise<boolean>;
  /** False: the key could not be written under it. */
  protected abstract put(held: H, text: string): Promise<boolean>;
  protected abstract end(held: H): Promise<unknown>;

  tell(text: string): void {
    this.text = text;
    this.isWritten = false;
    this.schedule(() => this.write());
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.keeping.cancel();
    await this.work;
    if (this.held === null) return;
    // Where that fails it ends by itself.
    await this.end(this.held).catch(() => {});
  }

  private schedule(step: () => Promise<void>): void {
    if (this.isStopped) return;
    this.work = this.work.then(step).catch(() => {
      // The store is away, or the hold is gone: the next turn of the timer tries again.
      this.drop();
    });
  }

  private drop(): void {
    this.held = null;
    this.isWritten = false;
  }

  private async keep(): Promise<void> {
    if (this.held !== null && !(await this.keepUp(this.held))) this.drop();
    await this.write();
  }

  private async write(): Promise<void> {
    if (this.isWritten || this.text === '') return;
    const { text } = this;
    const isNew = this.held === null;
    this.held ??= await this.begin();
    if (!(await this.put(this.held, text))) {
      // It may have ended while the node was away: what is told is told under another one. A new
      // one that does not get the key has met that of an earlier process of the same name, which
      // ends by itself.
      if (isNew) throw new StoreError('the key is not ours');
      this.held = await this.begin();
      if (!(await this.put(this.held, text))) throw new StoreError('the key is not ours');
    }
    this.isWritten = text === this.text;
  }
}
