/**
 * The slot by which a worker gives back the rest of a key grant.
 *
 * Thread: any (both ends). One kind of slot on the ring to the coordinator; coordinator-records.ts
 * has the others.
 *
 *     word  RETURN (worker → coordinator)
 *     0     SLOT_RETURN
 *     1     lane generation
 *     2     limiter index
 *     3, 4  key hash, high and low
 *     5     unused admissions
 *     6     until, as the reply said
 *     7     serial: grows by one with each return of this generation
 *
 * A return that is seen twice, after a restart, would give the same admissions back twice. So the
 * coordinator notes the serial before it acts, and skips serials that it has noted.
 */
import { SlotView } from './coordinator-records.js';

export const SLOT_RETURN = 3;

export class ReturnView extends SlotView {
  get generation(): number {
    return this.at(1);
  }
  get limiterIndex(): number {
    return this.at(2);
  }
  get keyHashHigh(): number {
    return this.at(3);
  }
  get keyHashLow(): number {
    return this.at(4);
  }
  get unused(): number {
    return this.at(5);
  }
  get until(): number {
    return this.at(6);
  }
  get serial(): number {
    return this.at(7);
  }
}

/** Unused admissions of a key grant. */
export interface ReturnFields {
  limiterIndex: number;
  keyHashHigh: number;
  keyHashLow: number;
  unused: number;
  /** The value from the reply that brought the grant. */
  until: number;
}

export function writeReturn(
  words: Int32Array,
  base: number,
  { generation, serial }: { readonly generation: number; readonly serial: number },
  rest: ReturnFields,
): void {
  words[base] = SLOT_RETURN;
  words[base + 1] = generation;
  words[base + 2] = rest.limiterIndex;
  words[base + 3] = rest.keyHashHigh;
  words[base + 4] = rest.keyHashLow;
  words[base + 5] = rest.unused;
  words[base + 6] = rest.until;
  words[base + 7] = serial;
}
