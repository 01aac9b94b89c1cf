/**
 * Writes a streamed body to the socket of a lean connection, at the socket's pace.
 *
 * Thread: worker. Short pieces, as of tunnels, go to the kernel from the lane's memory while it
 * takes them. Others are copied: a socket reads its buffer for as long as the target takes. The
 * copies lie in buffers that all bodies of the thread share in turn. While the socket has some that
 * it has not sent, short ones wait here and are joined: a write costs hundreds of bytes.
 */
import type { Socket } from 'node:net';
import { BufferPool } from '../../base/buffer-pool.js';
import { takesDirectWrites, writeDirectly } from '../../base/direct-write.js';
import type { FieldBlock } from '../../base/field-block.js';
import { JOINED_BYTES, JoinedPieces } from '../../base/joined-pieces.js';
import { BODY_RECORD_BYTES_MAX } from '../../channel/lane.js';
import { CHUNK_END, chunkStart, lastChunk } from '../../wire/http1/request-writer.js';
import type { BodySink, StreamedBody } from '../exchange/streamed-body.js';

/** 4 MiB at most stay with the thread. */
const KEPT_MAX = 64;
const pool = new BufferPool(BODY_RECORD_BYTES_MAX, KEPT_MAX);

export class BodyWriter implements BodySink {
  /** All of the body is with the socket. */
  isComplete = false;
  private isStopped = false;
  private readonly isChunked: boolean;
  private readonly isDirect: boolean;
  /** Writes that the socket has not sent yet. */
  private unsent = 0;
  /** What the socket gets once it has sent those. */
  private waiting: Buffer[] = [];
  private readonly joined = new JoinedPieces();

  constructor(
    protected readonly socket: Socket,
    private readonly body: StreamedBody,
    private readonly onDropped: () => void,
  ) {
    this.isChunked = body.bytes === -1;
    this.isDirect = !this.isChunked && takesDirectWrites(socket);
  }

  /** The target takes no more; who waits for window waits on, until the reply has ended. */
  stop(): void {
    this.isStopped = true;
    this.waiting = [];
  }

  onPiece(bytes: Uint8Array): void {
    if (this.isStopped) return;
    if (this.unsent > 0) {
      if (bytes.length < JOINED_BYTES) {
        this.joined.add(this.waiting, bytes);
        return;
      }
      this.flush();
      if (this.isStopped) return;
    }
    const taken = this.isDirect ? writeDirectly(this.socket, bytes, bytes.length) : 0;
    if (taken === bytes.length) {
      this.body.onTaken(taken);
      return;
    }
    this.write(pool.copyOf(taken === 0 ? bytes : bytes.subarray(taken)), bytes.length);
  }

  /** Gives the socket what waits. */
  private flush(): void {
    if (this.waiting.length === 0) return;
    const { waiting, socket } = this;
    if (!socket.writable) {
      // The target has closed: a write would throw away what its reply has left to read.
      this.stop();
      return;
    }
    this.waiting = [];
    socket.cork();
    for (const piece of waiting) this.write(piece, piece.length);
    socket.uncork();
  }

  /** `rest` is what the socket has not taken yet of a piece of `pieceBytes`. */
  private write(rest: Buffer, pieceBytes: number): void {
    this.unsent += 1;
    const onWritten = (error?: Error | null): void => {
      this.unsent -= 1;
      // After an error it is not known who still looks at it.
      if (error || this.isStopped) return;
      pool.release(rest);
      if (this.unsent === 0) this.flush();
      this.body.onTaken(pieceBytes);
    };
    if (!this.isChunked) {
      this.socket.write(rest, onWritten);
      return;
    }
    this.socket.cork();
    this.socket.write(chunkStart(rest.length), 'latin1');
    this.socket.write(rest);
    this.socket.write(CHUNK_END, 'latin1', onWritten);
    this.socket.uncork();
  }

  onBodyEnd(trailers: FieldBlock): void {
    this.flush();
    if (this.isStopped) return;
    this.isComplete = true;
    if (this.isChunked) this.socket.write(lastChunk(trailers), 'latin1');
  }

  onBodyDropped(): void {
    this.onDropped();
  }
}
