/**
 * The tunnel of an exchange, as the rest of the worker knows it: see worker/tunnel/tunnel.ts.
 *
 * Thread: worker. Made when a request asks for one; it may never open. What comes down is a reply
 * in a stage, as far as its path is concerned.
 */
import type { StagedFlow } from './reply-state.js';
import type { StreamedBody } from './streamed-body.js';

export interface TunnelFlow extends StagedFlow {
  /** Sec-WebSocket-Key, for the target. */
  readonly key: string;
  /** What goes up, once the target has opened the tunnel. */
  readonly up: StreamedBody;
  /** Of the Close that ended it; 1006: none has. */
  readonly closeCode: number;
  /** What the access record says of it, as JSON; '' before it is open. */
  readonly summary: string;
  /** The target has opened it, and `lane` takes what comes down. */
  open(lane: TunnelLane): void;
  /** More came from the client. Valid inside the call only. */
  onUp(bytes: Uint8Array): void;
  /** The client sends nothing more. */
  onUpEnd(): void;
  /** A time that it has set has come. */
  onDeadline(nowMs: number): void;
  /** These sessions have ended (`sid` of tokens): so does what was opened with one of them. */
  onRevoked(sessionIds: ReadonlySet<string>): void;
  /** Ends it with a Close of the gateway's own to both sides. `reason`: ASCII. */
  endWith(code: number, reason: string): void;
}

/** The client's side of a tunnel. */
export interface TunnelLane {
  /** `isAtBorder`: a frame ends with these bytes. False: no more until resume(). */
  send(bytes: Uint8Array, isAtBorder: boolean): boolean;
  /** Nothing more comes down. */
  end(): void;
  /** The exchange is over. `isClientDone`: the client has ended its side; else it is cut off. */
  finish(isClientDone: boolean): void;
}
