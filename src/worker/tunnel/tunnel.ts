/**
 * A WebSocket between a client and a target: moves bytes both ways, sees frames, and ends it.
 *
 * Thread: worker. Owned by its exchange. Whatever the two ends say to each other goes on unchanged;
 * what the gateway adds are a Ping, and a Close to both where the tunnel has to end:
 *
 *     open ──► both ways ──► a way ends ──► the other one ──► over
 *                  └── close() ── a Close to each, at a border ── their Closes, or time ──► over
 *
 * Invariants: the exchange is told to finish once. A tunnel that is closed by the gateway is over
 * CLOSE_WAIT_MS later at the latest.
 */
import { randomBytes } from 'node:crypto';
import { NO_FIELDS } from '../../base/field-block.js';
import { WINDOW_CREDIT_BYTES } from '../../channel/lane.js';
import type { CompiledWebSocket } from '../../config/compiled-websocket.js';
import { closeFrame, pingFrame, UNMASKED } from '../../wire/websocket/control-frames.js';
import type { Exchange } from '../exchange/exchange.js';
import { StreamedBody } from '../exchange/streamed-body.js';
import type { TunnelFlow, TunnelLane } from '../exchange/tunnel-flow.js';
import { MessageRule } from './message-rule.js';
import { TunnelClock } from './tunnel-clock.js';
import { TunnelWay, type WayOwner } from './tunnel-way.js';

/** How long the two ends may take to answer a Close of the gateway's. */
const CLOSE_WAIT_MS = 3000;

/** The status of a socket that ended without a Close (RFC 6455 7.1.5). */
const ABNORMAL = 1006;
const MASK_BYTES = 4;

/** What tunnels need of their worker. */
export interface TunnelParts {
  nowMs(): number;
  unixMs(): number;
  /** The tunnel wants to be asked again at this time. */
  wakeAt(exchange: Exchange, atMs: number): void;
  /** The client may send that much more. */
  giveWindow(exchange: Exchange, bytes: number): void;
  /** The target may send on. */
  resumeTarget(exchange: Exchange): void;
  /** Bytes and messages came, `isUp`: from the client. */
  count(exchange: Exchange, isUp: boolean, messages: number, bytes: number): void;
}

export class Tunnel implements TunnelFlow, WayOwner {
  isTargetPaused = false;
  readonly up: StreamedBody;

  private readonly client: TunnelWay;
  private readonly target: TunnelWay;
  private readonly messages: MessageRule;
  private readonly clock: TunnelClock;
  private lane: TunnelLane | null = null;
  private isLaneEnded = false;
  private isUpEnded = false;
  private isOver = false;
  /** What the lane said to the bytes that went down last. */
  private mayGoOn = true;
  /** The gateway ends the tunnel, with this code; 0: it does not. */
  private ownCode = 0;
  /** How the gateway ends it as soon as it is open. */
  private earlyEnd: { readonly code: number; readonly reason: string } | null = null;
  /** Bytes of ours that go up: the client gets no window for them. */
  private addedUp = 0;
  /** Bytes of the client's that went nowhere, and no window was given back for. */
  private skippedUp = 0;

  constructor(
    private readonly exchange: Exchange,
    readonly key: string,
    private readonly rules: CompiledWebSocket,
    private readonly parts: TunnelParts,
  ) {
    this.messages = new MessageRule(rules);
    this.client = new TunnelWay(this, this.messages.isNeeded);
    this.target = new TunnelWay(this, false);
    this.clock = new TunnelClock(rules);
    this.up = new StreamedBody(0, {
      onWanted: () => {},
      giveWindow: (bytes) => this.giveUpWindow(bytes),
    });
  }

  get summary(): string {
    if (this.lane === null) return '';
    const { client, target } = this;
    return (
      `{"code":${this.closeCode},"messagesUp":${client.messages},` +
      `"messagesDown":${target.messages},"bytesUp":${client.bytes},"bytesDown":${target.bytes}}`
    );
  }

  /** The code of the gateway's own Close, or of the one that came first. */
  get closeCode(): number {
    if (this.ownCode !== 0) return this.ownCode;
    if (this.target.hasClosed) return this.target.scanner.closeCode;
    return this.client.hasClosed ? this.client.scanner.closeCode : ABNORMAL;
  }

  open(lane: TunnelLane): void {
    this.lane = lane;
    const nowMs = this.parts.nowMs();
    this.clock.open(nowMs, nowMs + this.tokenMsLeft());
    this.arm();
    if (this.earlyEnd !== null) this.endWith(this.earlyEnd.code, this.earlyEnd.reason);
  }

  /** Until `exp` of what was verified about the caller; infinite: it has none. */
  private tokenMsLeft(): number {
    const expires = this.exchange.claims?.['exp'];
    if (typeof expires !== 'number') return Number.POSITIVE_INFINITY;
    return expires * 1000 - this.parts.unixMs();
  }

  private arm(): void {
    const { nextMs } = this.clock;
    if (!this.isOver && nextMs !== Number.POSITIVE_INFINITY) {
      this.parts.wakeAt(this.exchange, nextMs);
    }
  }

  // What comes from the client.

  // Hot path (bench/gateway/websocket-echo): every piece, both ways.
  onUp(bytes: Uint8Array): void {
    if (this.isOver) return;
    this.clock.onClient(this.parts.nowMs());
    this.take(this.client, bytes);
    if (this.client.isShut) this.skipUp(bytes.length);
  }

  private take(way: TunnelWay, bytes: Uint8Array): void {
    const before = way.messages;
    way.take(bytes);
    const isUp = way === this.client;
    this.parts.count(this.exchange, isUp, way.messages - before, bytes.length);
  }

  private skipUp(bytes: number): void {
    this.skippedUp += bytes;
    if (this.skippedUp < WINDOW_CREDIT_BYTES) return;
    this.parts.giveWindow(this.exchange, this.skippedUp);
    this.skippedUp = 0;
  }

  private giveUpWindow(bytes: number): void {
    const added = Math.min(this.addedUp, bytes);
    this.addedUp -= added;
    if (bytes > added && !this.isOver) this.parts.giveWindow(this.exchange, bytes - added);
  }

  onUpEnd(): void {
    this.client.hasEnded = true;
    this.endUp();
  }

  private endUp(): void {
    if (this.isUpEnded || this.isOver) return;
    this.isUpEnded = true;
    this.up.end(NO_FIELDS);
  }

  // What comes from the target.

  data(bytes: Buffer, isLast: boolean): boolean {
    if (this.isOver) return true;
    this.mayGoOn = true;
    if (bytes.length > 0) {
      this.clock.onTarget(this.parts.nowMs());
      this.take(this.target, bytes);
    }
    if (isLast) this.onTargetEnd();
    this.isTargetPaused = !this.mayGoOn && !isLast;
    return !this.isTargetPaused;
  }

  private onTargetEnd(): void {
    this.target.hasEnded = true;
    this.endDown();
    if (this.ownCode !== 0) this.endUp();
  }

  private endDown(): void {
    if (this.isLaneEnded || this.isOver) return;
    this.isLaneEnded = true;
    this.lane?.end();
  }

  /** Both ways have ended at the target. */
  end(): void {
    this.onTargetEnd();
    this.finish();
  }

  endEarly(): void {
    this.end();
  }

  /** A tunnel has no trailers. */
  trailers(): void {
    this.end();
  }

  resume(): void {
    if (!this.isTargetPaused) return;
    this.isTargetPaused = false;
    this.parts.resumeTarget(this.exchange);
  }

  // What the ways say.

  judge(way: TunnelWay): number {
    if (way !== this.client || this.ownCode !== 0) return 0;
    const broken = this.messages.take(way.scanner, this.parts.nowMs());
    if (broken !== null) this.endWith(broken.code, broken.reason);
    return this.ownCode;
  }

  pass(way: TunnelWay, bytes: Uint8Array): void {
    if (way === this.target) this.sendDown(bytes);
    else if (!this.isUpEnded) this.up.push(bytes);
  }

  private sendDown(bytes: Uint8Array): void {
    if (this.lane === null || this.isLaneEnded) return;
    const { scanner, isShut, hasClosed } = this.target;
    const isBorder = scanner.isAtBorder && !isShut && !hasClosed;
    this.mayGoOn = this.lane.send(bytes, isBorder) && this.mayGoOn;
  }

  onPeerClosed(way: TunnelWay): void {
    if (this.ownCode === 0) return;
    if (way === this.client) this.endDown();
    else this.endUp();
  }

  // How it ends.

  endWith(code: number, reason: string): void {
    if (this.ownCode !== 0 || this.isOver) return;
    if (this.lane === null) {
      this.earlyEnd ??= { code, reason };
      return;
    }
    this.ownCode = code;
    this.clock.beginClosing(this.parts.nowMs() + CLOSE_WAIT_MS);
    const up = closeFrame(code, reason, randomBytes(MASK_BYTES));
    this.addedUp += up.length;
    this.target.endWith(closeFrame(code, reason, UNMASKED));
    this.client.endWith(up);
    if (this.client.hasClosed) this.endDown();
    if (this.target.hasClosed) this.endUp();
    this.arm();
  }

  onRevoked(sessionIds: ReadonlySet<string>): void {
    const { tokenExpiryCode } = this.rules;
    const session = this.exchange.claims?.['sid'];
    if (tokenExpiryCode === 0 || typeof session !== 'string' || !sessionIds.has(session)) return;
    this.endWith(tokenExpiryCode, 'the session has ended');
  }

  onDeadline(nowMs: number): void {
    if (this.isOver) return;
    const due = this.clock.takeDue(nowMs);
    if (due === null) {
      this.arm();
    } else if (due.kind === 'ping') {
      this.ping();
      this.arm();
    } else if (due.kind === 'close') {
      this.endWith(due.code, due.reason);
    } else {
      this.endDown();
      this.finish();
    }
  }

  /** At the next time where it is not between two frames now. */
  private ping(): void {
    if (this.target.isAtBorder && !this.target.hasClosed && !this.isLaneEnded) {
      this.lane?.send(pingFrame(UNMASKED), true);
    }
    if (!this.client.isAtBorder || this.client.hasClosed || this.isUpEnded) return;
    const up = pingFrame(randomBytes(MASK_BYTES));
    this.addedUp += up.length;
    this.up.push(up);
  }

  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.lane?.finish(this.client.hasEnded);
  }

  /** The target has broken off. */
  abort(): void {
    this.cancel();
  }

  /** The exchange is over, whatever the reason. */
  cancel(): void {
    this.isOver = true;
    this.up.drop();
  }

  /** All of it is on the lane. */
  close(): void {
    this.isOver = true;
  }
}
