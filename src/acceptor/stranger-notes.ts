/**
 * Counts and tells what any stranger can cause at will, and no access record shows: each kind gets
 * one log line a minute at most.
 *
 * Thread: acceptor. Owns when each kind was told last: kinds are of a fixed set for each listener,
 * so that the memory is bounded. Metrics count what the log leaves out.
 */
import type { Clock } from '../base/clock.js';
import type { CounterBlock } from '../channel/counter-block.js';
import { COUNTERS } from '../observability/counters.js';
import type { ThreadLogger } from '../observability/logger.js';
import type { ClientRequest, FailedHandshake } from './client-engine.js';

const SPACING_MS = 60_000;

/** A name of OpenSSL or Node for a mistake. */
const CODE = /^[A-Z][A-Z0-9_]{2,63}$/;

/** Each with the name of the listener. */
export interface StrangerEvents {
  /** A connection was closed before its first request. */
  onTurnedAway(listener: string, reason: string): void;
  /** A connection was closed in the middle of a reply. */
  onGivenUp(listener: string, reason: string): void;
  onHandshakeFailed(listener: string, reason: string, facts?: FailedHandshake): void;
  /** A client has broken HTTP/2, or its limits. */
  onMistake(listener: string, reason: string): void;
  /** Fields of a request were dropped for an underscore in their names. */
  onDroppedFields(listener: string, request: DroppedFields): void;
}

export type DroppedFields = Pick<ClientRequest, 'droppedFields' | 'droppedName'>;

export class StrangerNotes implements StrangerEvents {
  private readonly toldMs = new Map<string, number>();

  constructor(
    private readonly clock: Pick<Clock, 'nowMs'>,
    private readonly counters: Pick<CounterBlock, 'add'>,
    private readonly log: Pick<ThreadLogger, 'logger'>,
  ) {}

  onTurnedAway(listener: string, reason: string): void {
    const message = 'a connection was closed before its first request';
    this.tell(`away ${listener} ${reason}`, { listener, reason }, message);
  }

  onGivenUp(listener: string, reason: string): void {
    const message = 'a connection was closed in the middle of a reply';
    this.tell(`given up ${listener} ${reason}`, { listener, reason }, message);
  }

  /** Each code of OpenSSL is a kind: a certificate that has expired hides none that was revoked. */
  onHandshakeFailed(listener: string, reason: string, facts?: FailedHandshake): void {
    const { clientIp = '', cause = '' } = facts ?? {};
    const code = CODE.test(cause) ? cause : '';
    this.tell(
      `tls ${listener} ${reason} ${code}`,
      { listener, reason, ...(cause !== '' && { cause }), ...(clientIp !== '' && { clientIp }) },
      'a TLS handshake failed',
    );
  }

  onMistake(listener: string, reason: string): void {
    const message = 'a client of HTTP/2 was refused a stream, or its connection was ended';
    this.tell(`http2 ${listener} ${reason}`, { listener, reason }, message);
  }

  onDroppedFields(listener: string, { droppedFields, droppedName: field }: DroppedFields): void {
    this.counters.add(COUNTERS.droppedFields, droppedFields);
    const message = 'a field with "_" in its name was dropped: see listen.underscores';
    this.tell(`dropped ${listener}`, { listener, field }, message);
  }

  private tell(kind: string, facts: Readonly<Record<string, string>>, message: string): void {
    const nowMs = this.clock.nowMs();
    const toldMs = this.toldMs.get(kind);
    if (toldMs !== undefined && nowMs - toldMs < SPACING_MS) return;
    this.toldMs.set(kind, nowMs);
    this.log.logger.info(facts, message);
  }
}
