/**
 * Replies of gRPC as JSON: one document, or lines of documents where the method streams.
 *
 * Thread: worker. A stage belongs to one reply. Its head waits for the first message, since the
 * status of HTTP is known only with it, or with the status of the call.
 */
import {
  type FieldBlock,
  field,
  firstValueOf,
  joinFields,
  NO_FIELDS,
  withoutFields,
} from '../../base/field-block.js';
import {
  GRPC_OK,
  grpcStatusName,
  httpStatusOfGrpc,
  parseGrpcStatus,
} from '../../base/grpc-status.js';
import { PROBLEMS } from '../../base/problems.js';
import { decodeGrpcMessage } from '../../wire/grpc/grpc-message.js';
import { MessageReader } from '../../wire/grpc/message-reader.js';
import type { RequestView } from '../filter.js';
import { ReplyStage, type StageHead, type StageSource } from '../reply-stage.js';
import type { CompiledGrpcJson } from './options.js';
import type { Transcoder } from './transcoder.js';

const OF_GRPC: ReadonlySet<string> = new Set([
  ...['content-type', 'content-length', 'grpc-status', 'grpc-message', 'grpc-status-details-bin'],
  ...['grpc-encoding', 'grpc-accept-encoding', 'accept-encoding', 'trailer'],
]);

/** The body that stands for a status: google.rpc.Status. */
function statusBody(code: number, message: string, details: readonly unknown[]): string {
  return JSON.stringify({ code, message, status: grpcStatusName(code), details });
}

export class JsonReplies implements StageSource {
  constructor(
    private readonly options: CompiledGrpcJson,
    private readonly transcoder: Transcoder,
  ) {}

  open(_request: RequestView, head: StageHead): ReplyStage | null {
    return head.isLocal ? null : new JsonReply(this.options, this.transcoder);
  }
}

class JsonReply extends ReplyStage {
  private readonly reader: MessageReader;
  private readonly isStream: boolean;
  private kept: StageHead | null = null;
  private hasBegun = false;
  /** Of a method that does not stream: its one message. */
  private document: string | null = null;
  private goesOn = true;
  private hasFailed = false;

  constructor(
    options: CompiledGrpcJson,
    private readonly transcoder: Transcoder,
  ) {
    super();
    this.isStream = options.rule.isStream;
    this.reader = new MessageReader(options.maxMessageBytes, (bytes) => this.onMessage(bytes));
  }

  override head(head: StageHead): void {
    this.kept = head;
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    this.goesOn = true;
    this.reader.take(bytes);
    if (this.reader.problem !== null) {
      this.hasFailed = true;
      const detail = `A message of the target cannot be read: ${this.reader.problem}.`;
      this.refuse(PROBLEMS.replyUnchangeable, detail);
      return true;
    }
    if (isLast) this.finish(NO_FIELDS);
    return this.goesOn;
  }

  private onMessage(bytes: Buffer): void {
    const text = this.transcoder.decode(bytes);
    if (!this.isStream) this.document ??= text;
    else this.goesOn = this.write(`${text}\n`);
  }

  private write(line: string): boolean {
    if (!this.hasBegun) this.begin(200, -1, 'application/x-ndjson');
    return this.next.data(Buffer.from(line, 'utf8'), false);
  }

  private begin(status: number, bodyBytes: number, type: string): void {
    const { kept } = this;
    if (kept === null) return;
    this.hasBegun = true;
    kept.status = status;
    kept.bodyBytes = bodyBytes;
    kept.fields = joinFields(field('content-type', type), withoutFields(kept.fields, OF_GRPC));
    this.next.head(kept);
  }

  override end(): void {
    this.finish(NO_FIELDS);
  }

  override trailers(fields: FieldBlock): void {
    this.finish(fields);
  }

  /** The status of the call is in these fields, or in the head. */
  private finish(trailers: FieldBlock): void {
    if (this.hasFailed) return;
    const all = joinFields(trailers, this.kept?.fields ?? NO_FIELDS);
    const code = parseGrpcStatus(firstValueOf(all, 'grpc-status'));
    if (code === GRPC_OK) this.finishWell();
    else this.finishBadly(code, all);
  }

  private finishWell(): void {
    if (this.isStream) {
      if (!this.hasBegun) this.begin(200, -1, 'application/x-ndjson');
      this.next.end();
      return;
    }
    const body = Buffer.from(this.document ?? '{}', 'utf8');
    this.begin(200, body.length, 'application/json');
    this.next.data(body, true);
  }

  private finishBadly(code: number, fields: FieldBlock): void {
    const message = decodeGrpcMessage(firstValueOf(fields, 'grpc-message'));
    const details = this.transcoder.details(firstValueOf(fields, 'grpc-status-details-bin'));
    const text = statusBody(code, message, details);
    if (this.hasBegun) {
      // The status of HTTP has gone: the last line says what has happened.
      this.next.data(Buffer.from(`{"error":${text}}\n`, 'utf8'), true);
      return;
    }
    const body = Buffer.from(text, 'utf8');
    this.begin(httpStatusOfGrpc(code), body.length, 'application/json');
    this.next.data(body, true);
  }
}
