/**
 * The client's side of a tunnel: what comes down it, and what its client is told when the worker
 * of the tunnel is gone.
 *
 * Thread: acceptor. Owned by its exchange, from the head that opens the tunnel on.
 */
import { closeFrame, UNMASKED } from '../wire/websocket/control-frames.js';
import type { ClientSocket } from './client-engine.js';

/** The client may connect again (RFC 6455 7.4, 1012). */
const SERVICE_RESTART = closeFrame(1012, 'the gateway restarts a part of itself', UNMASKED);

export class ClientTunnel {
  /** What went down so far are whole frames, and no Close. */
  private isAtBorder = true;

  constructor(private readonly socket: ClientSocket) {}

  send(bytes: Uint8Array, isAtBorder: boolean): void {
    this.isAtBorder = isAtBorder;
    this.socket.sendBody(bytes, false);
  }

  end(): void {
    this.isAtBorder = false;
    this.socket.sendEnd();
  }

  /** Nothing more comes. In the middle of a frame nothing can be said of that. */
  cutOff(): void {
    if (this.isAtBorder) {
      this.send(SERVICE_RESTART, false);
      this.end();
    }
    this.socket.abort();
  }
}
