/**
 * Turns by weight, evenly spread: 5 to 1 gives a a a b a a and not a a a a a b.
 *
 * Thread: any (pure). The smooth weighted round-robin of nginx: each target gains its weight, the
 * richest is taken and pays what all gained. The accounts lie elsewhere.
 * Invariant: one look at each target; an account stays between minus and plus the sum of all
 * weights.
 */
import { type Candidates, effectiveWeight, NO_POSITION } from './candidates.js';

/** The account of each position: what it has gained and not paid yet; 0 at first. */
export interface TurnAccounts {
  balanceOf(position: number): number;
  setBalance(position: number, balance: number): void;
}

/** The position whose turn it is, or {@link NO_POSITION}. Changes the accounts. */
export function selectWeightedRoundRobin(candidates: Candidates, accounts: TurnAccounts): number {
  let richest = NO_POSITION;
  let most = 0;
  let total = 0;
  for (let position = 0; position < candidates.count; position += 1) {
    if (!candidates.isAvailable(position)) continue;
    const weight = effectiveWeight(candidates, position);
    const balance = accounts.balanceOf(position) + weight;
    accounts.setBalance(position, balance);
    total += weight;
    if (richest !== NO_POSITION && balance <= most) continue;
    richest = position;
    most = balance;
  }
  if (richest !== NO_POSITION) accounts.setBalance(richest, most - total);
  return richest;
}
