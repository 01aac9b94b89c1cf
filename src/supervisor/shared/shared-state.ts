/**
 * What gateways that share a store have in common beside limits: events, and sealed records.
 *
 * Thread: supervisor (on the main thread). Owns the secret of the store.
 */
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { deriveKey, Sealer } from '../../filters/authentication/sealed-text.js';
import type { StoreSupervisor } from '../store-supervisor.js';
import { type SealedRecords, StoredRecords } from './sealed-records.js';
import { SharedEvents } from './shared-events.js';

export interface SharedStateParts {
  readonly store: StoreSupervisor;
  /** `store.secret`; '': there is none. */
  readonly secret: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SharedState {
  readonly store: StoreSupervisor;
  readonly events: SharedEvents;
  private readonly secret: string;
  private readonly sealer: Sealer | null;

  constructor({ store, secret, clock, logger }: SharedStateParts) {
    this.store = store;
    this.secret = secret;
    this.events = new SharedEvents({ store, clock, logger });
    this.sealer = secret === '' ? null : new Sealer(deriveKey(secret, 'records'));
  }

  /** Records of one area; null: the store has no secret. */
  records(area: string): SealedRecords | null {
    return this.sealer === null ? null : new StoredRecords(this.store, this.sealer, area);
  }

  /** 32 bytes that all gateways with the same secret have, for this purpose; null: no secret. */
  key(purpose: string): Buffer | null {
    return this.secret === '' ? null : deriveKey(this.secret, purpose);
  }
}
