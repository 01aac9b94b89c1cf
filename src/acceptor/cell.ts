/**
 * What an acceptor knows of the others, where there may be several: each has a thread and a group
 * of lanes of its own, which together are a cell.
 *
 * Thread: acceptor.
 */
import type { AcceptorLoads } from '../channel/acceptor/acceptor-loads.js';
import type { AddressCounts } from '../channel/acceptor/address-counts.js';

export interface Cell {
  /** What this acceptor and all others have open and in flight. */
  readonly loads: AcceptorLoads;
  /** Connections of each address at the others; null: there are no others. */
  readonly addresses: AddressCounts | null;
  readonly acceptorCount: number;
  /** Threads that had this cell before. */
  readonly incarnation: number;
}

const SPREAD = 0x9e3779b1;

/**
 * The generation of a cell's first exchanges. What a worker may still say of exchanges under an
 * acceptor that has died must not be taken for those of the next: their generations are far apart.
 */
export function firstGeneration(cell: Cell | undefined): number {
  return cell === undefined ? 0 : Math.imul(cell.incarnation, SPREAD);
}
