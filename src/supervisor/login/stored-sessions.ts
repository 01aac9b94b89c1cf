/**
 * Sessions of one login in the store that gateways share: one sealed record each, under a hash of
 * the session's id, which only the browser's cookie has.
 *
 * Thread: supervisor (on the main thread). Owns nothing. Invariant: a session that was ended is not
 * written again: every change is made to a record that is still there, by compare-and-set.
 */
import { createHash } from 'node:crypto';
import type { LoginSession } from '../../base/login.js';
import { isOver } from '../../filters/authentication/oidc/login-session.js';
import type { CompiledProvider } from '../../filters/authentication/options.js';
import { RECORD_CHARS_MAX, type SealedRecords } from '../shared/sealed-records.js';
import { StoreLostError } from '../store-supervisor.js';

/** Times that another gateway may have changed the record in the same moment. */
const TRIES_MAX = 8;

/** All reject with a StoreLostError while the store is lost. */
export class StoredSessions {
  constructor(
    private readonly records: SealedRecords,
    private readonly provider: Pick<CompiledProvider, 'realm' | 'idleMs'>,
    private readonly unixSeconds: () => number,
  ) {}

  /** False: it is too large for the store. */
  async create(session: LoginSession): Promise<boolean> {
    const text = JSON.stringify(session);
    if (text.length > RECORD_CHARS_MAX) return false;
    await this.records.set(this.nameOf(session.id), text, this.lifeMs(session));
    return true;
  }

  /** null: there is none, or it is over. */
  async read(id: string): Promise<LoginSession | null> {
    return this.sessionIn(await this.records.get(this.nameOf(id)));
  }

  /** A request has come with it. null: there is none any more. */
  noteUse(id: string, seenAt: number): Promise<LoginSession | null> {
    return this.change(id, (now) => (seenAt > now.seenAt ? { ...now, seenAt } : now));
  }

  /** It has new tokens. null: it was ended meanwhile, or is too large now. */
  renew(session: LoginSession): Promise<LoginSession | null> {
    return this.change(session.id, (now) => {
      if (now.generation >= session.generation) return now;
      return { ...session, seenAt: Math.max(now.seenAt, session.seenAt) };
    });
  }

  /** Renews each. Resolves with the errors of those that could not be: they leave the others. */
  async renewAll(sessions: readonly LoginSession[]): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (const session of sessions) {
      try {
        await this.renew(session);
      } catch (error) {
        if (error instanceof StoreLostError) throw error;
        errors.push(error);
      }
    }
    return errors;
  }

  async end(id: string): Promise<void> {
    await this.records.delete(this.nameOf(id));
  }

  private async change(
    id: string,
    changed: (now: LoginSession) => LoginSession,
  ): Promise<LoginSession | null> {
    const name = this.nameOf(id);
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const record = await this.records.get(name);
      const now = this.sessionIn(record);
      if (record === null || now === null) return null;
      const next = changed(now);
      if (next === now) return now;
      const text = JSON.stringify(next);
      if (text.length > RECORD_CHARS_MAX) return null;
      const { version } = record;
      const isSet = await this.records.compareAndSet(name, version, text, this.lifeMs(next));
      if (isSet !== undefined) return next;
    }
    throw new Error('the record of a session is changed by others again and again');
  }

  private sessionIn(record: { readonly value: string } | null): LoginSession | null {
    if (record === null) return null;
    // A gateway of the same secret has written it.
    const session = JSON.parse(record.value) as LoginSession;
    return isOver(session, this.provider.idleMs, this.unixSeconds()) ? null : session;
  }

  private lifeMs({ seenAt, endsAt }: LoginSession): number {
    const over = Math.min(seenAt * 1000 + this.provider.idleMs, endsAt * 1000);
    return over - this.unixSeconds() * 1000;
  }

  private nameOf(id: string): string {
    const digest = createHash('sha256').update(id).digest('base64url');
    return `session ${this.provider.realm} ${digest}`;
  }
}
