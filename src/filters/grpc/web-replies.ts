/**
 * Replies of gRPC as clients of gRPC-Web read them: messages as they are, and trailers in a last
 * frame of the body.
 *
 * Thread: worker. A stage belongs to one reply. Each piece goes on at once: in base64 with padding
 * of its own, so that a stream of messages is never held back.
 */
import {
  type FieldBlock,
  field,
  firstValueOf,
  joinFields,
  withoutFields,
} from '../../base/field-block.js';
import {
  DIALECT_GRPC,
  DIALECT_WEB_TEXT,
  type GrpcDialect,
  grpcDialectOf,
  webTypeOf,
} from '../../wire/grpc/content-type.js';
import { encodeWebText, frameTrailers } from '../../wire/grpc/web-codec.js';
import type { RequestView } from '../filter.js';
import { ReplyStage, type StageHead, type StageSource } from '../reply-stage.js';

const CONTENT_TYPE: ReadonlySet<string> = new Set(['content-type']);

export class WebReplies implements StageSource {
  open({ fields }: RequestView, head: StageHead): ReplyStage | null {
    const dialect = grpcDialectOf(fields.value('content-type'));
    // A refusal of ours has everything in its head, which pages can read as well.
    if (dialect === 0 || dialect === DIALECT_GRPC || head.isLocal) return null;
    return new WebReply(dialect);
  }
}

class WebReply extends ReplyStage {
  constructor(private readonly dialect: GrpcDialect) {
    super();
  }

  override head(head: StageHead): void {
    const type = webTypeOf(firstValueOf(head.fields, 'content-type'), this.dialect);
    const others = withoutFields(head.fields, CONTENT_TYPE);
    head.fields = joinFields(field('content-type', type), others);
    head.bodyBytes = -1;
    this.next.head(head);
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    return this.next.data(this.encoded(bytes), isLast);
  }

  override trailers(fields: FieldBlock): void {
    this.next.data(this.encoded(frameTrailers(fields)), true);
  }

  private encoded(bytes: Buffer): Buffer {
    return this.dialect === DIALECT_WEB_TEXT ? encodeWebText(bytes) : bytes;
  }
}
