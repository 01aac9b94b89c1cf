/**
 * Tells the operator that the store may forget limits: it evicts keys when its memory is full.
 *
 * Thread: store. Owns what it has warned of. It asks by INFO: who may not ask is told nothing.
 *
 * A policy is told once, and again after it was another one. Evictions are told when there are more
 * of them than before, once for each look.
 */
import { Cluster } from 'ioredis';
import type { Clock } from '../base/clock.js';
import type { StoreReport } from '../channel/store/store-messages.js';
import type { StoreClient } from './redis-client.js';

/** Between two looks. */
const LOOK_MS = 30_000;
/** The only one by which no key is lost. */
const SAFE_POLICY = 'noeviction';

interface Memory {
  /** '': unknown, or there is no bound. */
  readonly policy: string;
  readonly evicted: number;
}

export interface EvictionWatchParts {
  readonly client: StoreClient;
  readonly clock: Clock;
  report(report: StoreReport): void;
}

export class EvictionWatch {
  private nextMs = 0;
  private toldPolicy = '';
  /** NaN: nothing was counted yet. */
  private evicted = Number.NaN;

  constructor(private readonly parts: EvictionWatchParts) {}

  /** The next look is due: it may be another server. */
  lookSoon(): void {
    this.nextMs = 0;
    this.evicted = Number.NaN;
  }

  /** Looks where it is due. Rejects where the store does not answer. */
  async look(): Promise<void> {
    const { client, clock } = this.parts;
    if (clock.nowMs() < this.nextMs) return;
    this.nextMs = clock.nowMs() + LOOK_MS;
    const servers = client instanceof Cluster ? client.nodes('master') : [client];
    const memories = await Promise.all(servers.map(readMemory));
    const evicting = memories.find(({ policy }) => policy !== '' && policy !== SAFE_POLICY);
    this.notePolicy(evicting?.policy ?? '');
    this.noteEvicted(memories.reduce((sum, { evicted }) => sum + evicted, 0));
  }

  private notePolicy(policy: string): void {
    const isNew = policy !== '' && policy !== this.toldPolicy;
    this.toldPolicy = policy;
    if (!isNew) return;
    this.warn(
      'the store forgets limits and keys when its memory is full: set maxmemory-policy noeviction',
      { policy },
    );
  }

  private noteEvicted(evicted: number): void {
    const more = evicted - this.evicted;
    this.evicted = evicted;
    if (!(more > 0)) return;
    this.warn('the store has evicted keys: limits may have begun anew', { evicted: more });
  }

  private warn(message: string, details: Readonly<Record<string, string | number>>): void {
    this.parts.report({ type: 'warning', message, details });
  }
}

async function readMemory(server: Pick<StoreClient, 'info'>): Promise<Memory> {
  try {
    const [memory, stats] = await Promise.all([server.info('memory'), server.info('stats')]);
    const hasBound = Number(fieldOf(memory, 'maxmemory')) > 0;
    const policy = hasBound ? fieldOf(memory, 'maxmemory_policy') : '';
    return { policy, evicted: Number(fieldOf(stats, 'evicted_keys')) || 0 };
  } catch (error) {
    const isForbidden = error instanceof Error && error.message.startsWith('NOPERM');
    if (isForbidden) return { policy: '', evicted: 0 };
    throw error;
  }
}

/** '': there is none. */
function fieldOf(info: string, name: string): string {
  return new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1] ?? '';
}
