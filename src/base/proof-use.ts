/**
 * What is known of a proof that may be used once.
 *
 * Thread: any (pure). Type only.
 */

/** `unknown`: nobody can tell now, and the proof must not be believed. */
export type ProofUse = 'first' | 'again' | 'unknown';
