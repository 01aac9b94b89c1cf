/**
 * The ways in which a worker may be made to fail on purpose.
 *
 * Thread: any (both ends).
 */

/** An exception that nobody catches, an endless loop, a full heap. */
export type WorkerFault = 'crash' | 'hang' | 'oom';
