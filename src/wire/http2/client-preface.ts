/**
 * What a client sends before its first frame (RFC 9113 3.4), as it comes in.
 *
 * Thread: any (pure).
 */
import { CLIENT_PREFACE } from './frame-kinds.js';

export class ClientPreface {
  private bytes = 0;

  get isComplete(): boolean {
    return this.bytes === CLIENT_PREFACE.length;
  }

  /** Reads what of it is there; returns where it ended, or -1 when this is no such client. */
  take(bytes: Uint8Array): number {
    let at = 0;
    while (!this.isComplete && at < bytes.length) {
      if (bytes[at++] !== CLIENT_PREFACE[this.bytes++]) return -1;
    }
    return at;
  }
}
