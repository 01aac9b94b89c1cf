/**
 * One renewal of a session among gateways that share a store, as far as the store answers: the
 * first gateway asks the provider, and the others take what it got.
 *
 * Thread: supervisor (on the main thread). A refresh token that comes twice makes many providers
 * end the whole session. While the store is lost each gateway renews sessions in cookies by itself,
 * and none in the store.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import type { LoginReply, LoginSession } from '../../base/login.js';
import type { SealedRecords } from '../shared/sealed-records.js';
import { StoreLostError } from '../store-supervisor.js';

/** How often a gateway looks whether the other one is done. */
const LOOK_MS = 50;
/** For that long the others may come with the older cookie. */
const KEPT_MS = 60 * 60_000;
const BUSY = 'busy';

const LOST: LoginReply = { kind: 'unavailable', reason: 'the store with the sessions is lost' };
const UNAVAILABLE: LoginReply = {
  kind: 'unavailable',
  reason: 'another gateway renews the session, and has not told how that went',
};

export class SharedRenewals {
  /** `waitMs`: longest time that a renewal takes. */
  constructor(
    private readonly records: SealedRecords,
    private readonly clock: Pick<Clock, 'after' | 'nowMs'>,
    private readonly waitMs: number,
    /** Whether a gateway renews by itself while the store is lost. */
    private readonly mayBeAlone: boolean,
  ) {}

  /** What the provider has said to the one gateway that has asked; `fetch` asks it. */
  async run(session: LoginSession, fetch: () => Promise<LoginReply>): Promise<LoginReply> {
    const name = nameOf(session);
    let lock: string | undefined;
    try {
      lock = await this.records.compareAndSet(name, null, BUSY, this.waitMs);
      if (lock === undefined) return await this.take(name);
    } catch (error) {
      if (!(error instanceof StoreLostError)) throw error;
      return this.mayBeAlone ? fetch() : LOST;
    }
    const reply = await fetch();
    await this.tell(name, lock, reply);
    return reply;
  }

  /**
   * The others find it there; where the store is lost by now, they ask by themselves. Who has
   * taken longer than the lock lives finds nothing there, and writes it nevertheless; or that
   * another one has taken over: what that one has written stays.
   */
  private async tell(name: string, lock: string, reply: LoginReply): Promise<void> {
    const { records } = this;
    try {
      if (reply.kind === 'unavailable') {
        await records.compareAndDelete(name, lock);
        return;
      }
      const text = JSON.stringify(reply);
      const told = await records.compareAndSet(name, lock, text, KEPT_MS);
      if (told === undefined) await records.compareAndSet(name, null, text, KEPT_MS);
    } catch (error) {
      if (!(error instanceof StoreLostError)) throw error;
    }
  }

  private async take(name: string): Promise<LoginReply> {
    const deadline = this.clock.nowMs() + this.waitMs;
    while (this.clock.nowMs() < deadline) {
      const record = await this.records.get(name);
      if (record === null) return UNAVAILABLE;
      // Sealed by another gateway of the same secret, which has written a reply.
      if (record.value !== BUSY) return JSON.parse(record.value) as LoginReply;
      await new Promise<void>((resolve) => this.clock.after(LOOK_MS, resolve));
    }
    return UNAVAILABLE;
  }
}

/** A hash: whoever reads the store's keys learns nothing of sessions. */
function nameOf({ id, generation }: LoginSession): string {
  const digest = createHash('sha256').update(id).digest('base64url');
  return `renewal ${digest} ${generation}`;
}
