/**
 * What a client may send through a tunnel: how large a message may be, and how many there may be.
 *
 * Thread: worker. A bucket that holds `limit` messages and is filled at `limit` a window. Pings and
 * Pongs count like messages, so that they are no way around it; a Close always passes. A frame of
 * a length that none may have breaks a rule: it would take all behind it along unseen.
 */
import type { CompiledWebSocket } from '../../config/compiled-websocket.js';
import {
  type FrameScanner,
  OPCODE_CLOSE,
  OPCODE_CONTINUATION,
} from '../../wire/websocket/frame-scanner.js';

/** RFC 6455 5.5. */
const CONTROL_BYTES_MAX = 125;

/** RFC 6455 7.4.1. */
const PROTOCOL_ERROR = 1002;
const POLICY_VIOLATION = 1008;
const TOO_BIG = 1009;

/** A rule that a frame breaks, as the Close says it. */
export interface BrokenRule {
  readonly code: number;
  readonly reason: string;
}

const TOO_MANY_MESSAGES: BrokenRule = { code: POLICY_VIOLATION, reason: 'too many messages' };
const CONTROL_TOO_BIG: BrokenRule = { code: PROTOCOL_ERROR, reason: 'control frame too big' };
const MESSAGE_TOO_BIG: BrokenRule = { code: TOO_BIG, reason: 'message too big' };

export class MessageRule {
  private messageBytes = 0;
  private tokens: number;
  private filledMs = 0;

  constructor(private readonly rules: Pick<CompiledWebSocket, 'messageBytes' | 'messages'>) {
    this.tokens = rules.messages?.limit ?? 0;
  }

  /** Whether there is anything to be judged. */
  get isNeeded(): boolean {
    return this.rules.messages !== null || this.rules.messageBytes > 0;
  }

  /** A frame of the client begins; its head is complete. null: it may go on. */
  take({ opcode, payloadBytes }: FrameScanner, nowMs: number): BrokenRule | null {
    const isControl = opcode >= OPCODE_CLOSE;
    if (this.isNeeded) {
      if (isControl && payloadBytes > CONTROL_BYTES_MAX) return CONTROL_TOO_BIG;
      // Nothing behind such a head could be judged.
      if (payloadBytes > Number.MAX_SAFE_INTEGER) return MESSAGE_TOO_BIG;
    }
    if (opcode === OPCODE_CLOSE) return null;
    const begins = isControl || opcode !== OPCODE_CONTINUATION;
    if (begins && !this.tryCount(nowMs)) return TOO_MANY_MESSAGES;
    if (isControl) return null;
    this.messageBytes = begins ? payloadBytes : this.messageBytes + payloadBytes;
    const { messageBytes } = this.rules;
    return messageBytes > 0 && this.messageBytes > messageBytes ? MESSAGE_TOO_BIG : null;
  }

  private tryCount(nowMs: number): boolean {
    const { messages } = this.rules;
    if (messages === null) return true;
    const { limit, windowMs } = messages;
    const filled = this.filledMs === 0 ? 0 : ((nowMs - this.filledMs) * limit) / windowMs;
    this.tokens = Math.min(limit, this.tokens + filled);
    this.filledMs = nowMs;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
