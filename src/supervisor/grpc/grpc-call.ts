/**
 * One call over a connection of gRPC, as the side that calls sees it.
 *
 * Thread: supervisor (on the main thread). Owns what the window of the server does not take yet.
 *
 * Invariant: the listener hears of the end once, and of nothing behind it.
 */
import { type FieldBlock, firstValueOf, NO_FIELDS } from '../../base/field-block.js';
import {
  GRPC_INTERNAL,
  GRPC_OK,
  GRPC_RESOURCE_EXHAUSTED,
  GRPC_UNAVAILABLE,
} from '../../base/grpc-status.js';
import { decodeGrpcMessage } from '../../wire/grpc/grpc-message.js';
import { MessageReader } from '../../wire/grpc/message-reader.js';
import { frameMessage } from '../../wire/grpc/message-scanner.js';
import type { ClientStream } from '../../wire/http2/client-stream.js';
import { GrpcError } from './grpc-error.js';

export interface GrpcListener {
  /** Valid inside the call only. */
  onMessage(message: Buffer): void;
  /** null: the call ended with the status OK. */
  onEnd(error: GrpcError | null): void;
}

/** What a call asks of its connection. */
export interface CallPort {
  readonly messageBytesMax: number;
  /** Returns how many bytes the window took. */
  write(stream: ClientStream, bytes: Uint8Array, ends: boolean): number;
  reset(stream: ClientStream): void;
}

export class GrpcCall {
  private stream: ClientStream | null = null;
  private unsent: Buffer = Buffer.alloc(0);
  private isFinished = false;
  private isOver = false;
  private head: FieldBlock = NO_FIELDS;
  private readonly reader: MessageReader;

  constructor(
    private readonly listener: GrpcListener,
    private readonly port: CallPort,
  ) {
    this.reader = new MessageReader(port.messageBytesMax, (message) => this.tell(message));
  }

  begin(stream: ClientStream): void {
    this.stream = stream;
  }

  send(message: Uint8Array): void {
    if (this.isOver) return;
    this.unsent = Buffer.concat([this.unsent, frameMessage(message)]);
    this.sendMore();
  }

  /** No more messages follow. */
  finish(): void {
    this.isFinished = true;
    this.sendMore();
  }

  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.stream !== null) this.port.reset(this.stream);
  }

  /** The window may have room again. */
  sendMore(): void {
    const { stream } = this;
    if (stream === null || stream.isOver || stream.isLocalClosed) return;
    if (this.unsent.length === 0 && !this.isFinished) return;
    const taken = this.port.write(stream, this.unsent, this.isFinished);
    this.unsent = this.unsent.subarray(taken);
  }

  onHead(status: number, fields: FieldBlock): void {
    this.head = fields;
    if (status === 200) return;
    this.refuse(
      new GrpcError(GRPC_UNAVAILABLE, `the server answered with the HTTP status ${status}`),
    );
  }

  onData(bytes: Buffer): void {
    this.reader.take(bytes);
    const { problem } = this.reader;
    if (problem === null) return;
    const code = problem === 'tooLarge' ? GRPC_RESOURCE_EXHAUSTED : GRPC_INTERNAL;
    this.refuse(new GrpcError(code, `a message of the server is ${WORDS[problem]}`));
  }

  onEnd(trailers: FieldBlock): void {
    // A reply without messages has its status in the head.
    const block = firstValueOf(trailers, 'grpc-status') === '' ? this.head : trailers;
    const status = firstValueOf(block, 'grpc-status');
    const code = /^\d{1,3}$/.test(status) ? Number(status) : -1;
    if (code === GRPC_OK && !this.reader.isPartial) {
      this.end(null);
    } else if (code > GRPC_OK) {
      const message = decodeGrpcMessage(firstValueOf(block, 'grpc-message'));
      this.end(new GrpcError(code, message || 'no reason given'));
    } else {
      this.end(new GrpcError(GRPC_INTERNAL, 'a reply that ends without a status, or too early'));
    }
  }

  fail(error: GrpcError): void {
    this.end(error);
  }

  /** What the listener cannot read is a mistake of the server, and ends this call alone. */
  private tell(message: Buffer): void {
    if (this.isOver) return;
    try {
      this.listener.onMessage(message);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.refuse(new GrpcError(GRPC_INTERNAL, `a message cannot be read: ${reason}`));
    }
  }

  private refuse(error: GrpcError): void {
    if (this.isOver) return;
    this.end(error);
    if (this.stream !== null) this.port.reset(this.stream);
  }

  private end(error: GrpcError | null): void {
    if (this.isOver) return;
    this.isOver = true;
    this.listener.onEnd(error);
  }
}

const WORDS = { tooLarge: 'longer than is read', compressed: 'compressed' } as const;
