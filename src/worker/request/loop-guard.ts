/**
 * Counts how often a request has come through this gateway: one that keeps coming back is refused.
 *
 * Thread: worker. RFC 8586 (CDN-Loop). Every request goes on with the gateway's id in the field,
 * which other proxies must leave alone. Whoever writes the id himself harms his own requests only.
 */
import type { HalfSipHash } from '../../base/half-sip-hash.js';
import { PROBLEMS } from '../../base/problems.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import { joinList, type RequestFields } from '../exchange/request-fields.js';

/**
 * The id of this gateway in CDN-Loop. Gateways with the same `limits.keySecret` have the same one,
 * as they do one job. `hash`: keyed, the same on every thread.
 */
export function loopIdOf(hash: HalfSipHash): string {
  hash.hash('CDN-Loop');
  return `sluice-${hex(hash.high)}${hex(hash.low)}`;
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

export class LoopGuard {
  /** `passes`: how often a request may come; 0: they are not counted, the field is left alone. */
  constructor(
    private readonly id: string,
    private readonly passes: number,
  ) {}

  // Hot path (bench/gateway/plain-get): once for every request; few have the field.
  /** Counts this time. Null: the request may go on. */
  enter(fields: RequestFields): LocalReply | null {
    if (this.passes === 0) return null;
    const { loop } = fields;
    if (loop !== '' && this.timesIn(loop) >= this.passes) return LOOPING;
    fields.loop = joinList(loop, this.id);
    return null;
  }

  private timesIn(list: string): number {
    if (!list.includes(this.id)) return 0;
    let times = 0;
    for (const element of list.split(',')) {
      const [name = ''] = element.split(';', 1);
      if (name.trim() === this.id) times++;
    }
    return times;
  }
}

const LOOPING = refusal(
  PROBLEMS.looping,
  'The request has come through this gateway before: a target of its route leads back here. ' +
    'See `limits.passes`.',
);
