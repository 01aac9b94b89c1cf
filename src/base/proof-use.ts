/**
 * What is known of a proof that may be used once, and where that is remembered.
 *
 * Thread: any (pure). Types only.
 */

/** `unknown`: nobody can tell now, and the proof must not be believed. */
export type ProofUse = 'first' | 'again' | 'unknown';

/** `store`: in that which gateways share, so that a proof works at one of them only. */
export type ProofMemoryPlace = 'gateway' | 'store';
