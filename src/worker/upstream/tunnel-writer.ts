/**
 * Writes what goes up a tunnel to the socket of a lean connection, at the socket's pace.
 *
 * Thread: worker. Its end is a half-close: what comes down goes on.
 */
import type { Socket } from 'node:net';
import type { FieldBlock } from '../../base/field-block.js';
import type { StreamedBody } from '../exchange/streamed-body.js';
import { BodyWriter } from './body-writer.js';

/** Who reads what comes down. */
export interface TunnelOwner {
  /** Nobody wants the tunnel any more. */
  onDropped(): void;
  /** Nothing more goes up. */
  onUpEnded(): void;
}

export class TunnelWriter extends BodyWriter {
  constructor(
    socket: Socket,
    body: StreamedBody,
    private readonly owner: TunnelOwner,
  ) {
    super(socket, body, () => owner.onDropped());
  }

  override onBodyEnd(trailers: FieldBlock): void {
    super.onBodyEnd(trailers);
    if (!this.isComplete) return;
    this.socket.end();
    this.owner.onUpEnded();
  }
}
