/**
 * What a connection to a target tells its owner.
 *
 * Thread: any (pure).
 */
import type { FieldBlock } from '../../base/field-block.js';
import type { ClientStream } from './client-stream.js';
import type { ReplyFields } from './reply-fields.js';
import type { StreamHandler } from './stream-handler.js';

export interface ClientHandler extends StreamHandler<ClientStream> {
  /** The head of the reply, valid inside the call only. onData() and onEnd() follow. */
  onHead(stream: ClientStream, head: ReplyFields): void;
  /** A head before that of the reply. */
  onInterim(stream: ClientStream, status: number, fields: FieldBlock): void;
  /** The target's settings are there, or have changed: more streams may be open than before. */
  onSettings(): void;
  /** The target takes no more streams. Those that it has not looked at were reset before this. */
  onGoAway(code: number): void;
  /** The answer to ping(). */
  onPong(): void;
}
