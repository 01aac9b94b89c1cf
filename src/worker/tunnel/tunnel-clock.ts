/**
 * What time brings to a tunnel: a Ping, its end, or that nobody waits for the ends any more.
 *
 * Thread: worker. Pure arithmetic on the times that it is told.
 */
import type { CompiledWebSocket } from '../../config/compiled-websocket.js';

/** RFC 6455 7.4.1: an endpoint goes away. */
const GOING_AWAY = 1001;
/** Without a sign of the client for that many pings it counts as gone. */
const PINGS_MAX = 3;

const NEVER = Number.POSITIVE_INFINITY;

/** What is to be done now. */
export type DueStep =
  | { readonly kind: 'ping' }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'giveUp' };

const PING: DueStep = { kind: 'ping' };
const GIVE_UP: DueStep = { kind: 'giveUp' };
const IDLE: DueStep = { kind: 'close', code: GOING_AWAY, reason: 'idle for too long' };
const TOO_OLD: DueStep = { kind: 'close', code: GOING_AWAY, reason: 'open for too long' };
const SILENT: DueStep = { kind: 'close', code: GOING_AWAY, reason: 'no answer to pings' };

export class TunnelClock {
  private movedMs = 0;
  private heardMs = 0;
  private endsMs = NEVER;
  private tokenEndsMs = NEVER;
  private pingMs = NEVER;
  private givenUpMs = NEVER;

  constructor(
    private readonly rules: Pick<
      CompiledWebSocket,
      'idleMs' | 'maxLifetimeMs' | 'pingIntervalMs' | 'tokenExpiryCode'
    >,
  ) {}

  /** `tokenEndsMs`: when the credentials of the client do, on the same clock; infinite: never. */
  open(nowMs: number, tokenEndsMs: number): void {
    const { maxLifetimeMs, pingIntervalMs, tokenExpiryCode } = this.rules;
    this.movedMs = nowMs;
    this.heardMs = nowMs;
    if (maxLifetimeMs > 0) this.endsMs = nowMs + maxLifetimeMs;
    if (pingIntervalMs > 0) this.pingMs = nowMs + pingIntervalMs;
    if (tokenExpiryCode > 0) this.tokenEndsMs = tokenEndsMs;
  }

  onClient(nowMs: number): void {
    this.movedMs = nowMs;
    this.heardMs = nowMs;
  }

  onTarget(nowMs: number): void {
    this.movedMs = nowMs;
  }

  /** From now on nothing counts but until when both ends are waited for. */
  beginClosing(givenUpMs: number): void {
    this.givenUpMs = givenUpMs;
  }

  /** When to look again. */
  get nextMs(): number {
    if (this.givenUpMs !== NEVER) return this.givenUpMs;
    return Math.min(this.idleMs, this.endsMs, this.tokenEndsMs, this.pingMs);
  }

  private get idleMs(): number {
    return this.movedMs + this.rules.idleMs;
  }

  /** null: nothing yet. */
  takeDue(nowMs: number): DueStep | null {
    const { pingIntervalMs, tokenExpiryCode } = this.rules;
    if (this.givenUpMs !== NEVER) return nowMs >= this.givenUpMs ? GIVE_UP : null;
    if (nowMs >= this.tokenEndsMs) {
      return { kind: 'close', code: tokenExpiryCode, reason: 'the credentials have expired' };
    }
    if (nowMs >= this.endsMs) return TOO_OLD;
    if (nowMs >= this.idleMs) return IDLE;
    if (nowMs < this.pingMs) return null;
    if (nowMs - this.heardMs >= PINGS_MAX * pingIntervalMs) return SILENT;
    this.pingMs = nowMs + pingIntervalMs;
    return PING;
  }
}
