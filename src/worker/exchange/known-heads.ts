/**
 * What follows from the bytes of a request's head alone, kept for connections that send one head
 * over and over.
 *
 * Thread: worker. Owns a table of a fixed size, in which a newer head takes the place of an older
 * one. The acceptor has compared the bytes: a head with a number is the one that had this number
 * on this lane before, from the same connection (channel/records/request-head.ts).
 *
 * Invariants: what is kept says what reading the head again under the same configuration would
 * say. Whatever depends on time, on chance, on state or on what filters have changed is not kept,
 * and neither is a refusal. Nothing is kept for an epoch that has gone, or for another acceptor.
 */
import type { DigestMemory, KnownDigest } from '../../filters/authentication/authenticator.js';
import type { KnownSubject, RecordSubject } from '../../observability/access-log.js';
import type { WorkerRoute } from '../route/worker-route.js';
import type { RequestHead } from './request-head.js';

/** Heads that are known at a time; a power of two. */
const HEADS_MAX = 1024;

/** Where routing takes a head, under one configuration. */
export interface RoutedHead {
  /** Whose result it is: another epoch has another one. */
  readonly matcher: object;
  /** As it was when the route was found; nobody changes it. */
  readonly head: RequestHead;
  /** What the client wants the request to be called, where it may say so; '': nothing. */
  readonly keptId: string;
  readonly route: WorkerRoute;
}

/** What targets get of a head: `start` HOST `middle` REQUEST-ID `end`. */
export interface ForwardedText {
  readonly start: string;
  readonly middle: string;
  readonly end: string;
  // What it is made of beside what the head says in any case.
  readonly route: WorkerRoute | null;
  /** With the query. */
  readonly path: string;
  /** The list that goes on as it is: whoever changes one puts another in its place. */
  readonly plain: readonly string[];
  readonly authorization: string;
  /** 0: none; -1: not known. */
  readonly bodyBytes: number;
}

/** One head. Its parts belong to it; what it says is assigned by those who have found it out. */
export class KnownHead implements DigestMemory, KnownSubject {
  /** null: it was not routed yet, or to no route. */
  routed: RoutedHead | null = null;
  /** null: it has not gone to a target yet. */
  forwarded: ForwardedText | null = null;
  tokenDigest: KnownDigest | null = null;
  subject: RecordSubject | null = null;

  constructor(
    readonly number: number,
    /** The listener's row. */
    readonly listener: number,
    readonly parts: readonly string[],
  ) {}
}

export class KnownHeads {
  private readonly heads: (KnownHead | null)[] = new Array<KnownHead | null>(HEADS_MAX).fill(null);

  // Hot path (bench/gateway/plain-get): once for every request with a number.
  /** The head of this number; null: it was not kept, or another has taken its place. */
  find(number: number, listener: number): KnownHead | null {
    const known = this.heads[number & (HEADS_MAX - 1)] ?? null;
    return known?.number === number && known.listener === listener ? known : null;
  }

  /** Keeps a head that was just read. `parts` is not changed any more. */
  keep(number: number, listener: number, parts: readonly string[]): KnownHead {
    const known = new KnownHead(number, listener, parts);
    this.heads[number & (HEADS_MAX - 1)] = known;
    return known;
  }

  /** An epoch has gone, or the acceptor is another. */
  clear(): void {
    this.heads.fill(null);
  }
}
