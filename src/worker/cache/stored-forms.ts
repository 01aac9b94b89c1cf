/**
 * The coded forms of one stored body, for the reply that it is sent in.
 *
 * Thread: worker. Made for each such reply, and only on routes whose replies pass stages.
 */
import type { CacheStore } from '../../channel/cache/cache-store.js';
import type { CodedForms, FormKind } from '../../filters/coded-forms.js';
import type { Caching } from '../exchange/caching.js';

export interface FormStore {
  readonly store: Pick<CacheStore, 'findForm' | 'putForm' | 'serials'>;
  /** A reply goes out in a form that was there. */
  onFormUsed(): void;
}

export class StoredForms implements CodedForms {
  /** The serial of purges when the body was read. */
  private purges = 0;

  constructor(
    private readonly parts: FormStore,
    private readonly caching: Caching,
    readonly number: number,
  ) {}

  find({ coding, level }: FormKind): Buffer | null {
    const entry = this.parts.store.findForm(this.number, coding, level);
    const body = entry === null ? null : entry.copyBody(true);
    if (entry === null || body === null) return null;
    entry.use();
    if (body.length > 0) this.parts.onFormUsed();
    return body;
  }

  copyPlain(): Buffer | null {
    const { entry, body, validated } = this.caching;
    this.purges = this.parts.store.serials.purges;
    // What was validated is a copy of this reply's own.
    return validated === null ? (entry?.copyBody() ?? null) : body;
  }

  keep({ coding, level }: FormKind, form: Buffer | null): void {
    this.parts.store.putForm(this.number, { coding, level, form }, this.purges);
  }
}
