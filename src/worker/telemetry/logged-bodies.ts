/**
 * The bodies of a request and of its reply, for the access record of a route that shows them.
 *
 * Thread: worker. Copies of replies are owned by their exchange and bounded. They are read only
 * once a record is written, behind the reply.
 */
import { firstValueOf } from '../../base/field-block.js';
import type { CompiledLogBodies } from '../../config/compiled-log-bodies.js';
import { ReplyStage, type StageHead, type StageSource } from '../../filters/reply-stage.js';
import type { RequestView } from '../../filters/request-view.js';
import type { BodyTexts } from '../../observability/access-log.js';

import { BodyCopies, type BodyCopy } from '../exchange/body-copy.js';
import { Exchange } from '../exchange/exchange.js';
import { maskedBody, SHOWN_BODY_BYTES_MAX } from './masked-body.js';

/** Keeps what targets send. */
export class LoggedReplies implements StageSource {
  open(view: RequestView, head: StageHead): ReplyStage | null {
    if (head.isLocal || head.isBodiless || !(view instanceof Exchange)) return null;
    return new CopyingStage(view);
  }
}

class CopyingStage extends ReplyStage {
  private chunks: Buffer[] | null = [];
  private length = 0;
  private contentType = '';
  private coding = '';

  constructor(private readonly exchange: Exchange) {
    super();
  }

  override head(head: StageHead): void {
    this.contentType = firstValueOf(head.fields, 'content-type');
    this.coding = firstValueOf(head.fields, 'content-encoding');
    this.next.head(head);
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    this.length += bytes.length;
    if (this.length > SHOWN_BODY_BYTES_MAX) this.chunks = null;
    // Copied: the bytes are valid inside the call only.
    else this.chunks?.push(Buffer.from(bytes));
    // First, as the record is written inside the call that ends the reply.
    if (isLast) this.keep();
    return this.next.data(bytes, isLast);
  }

  override trailers(fields: Parameters<ReplyStage['trailers']>[0]): void {
    this.keep();
    this.next.trailers(fields);
  }

  override end(): void {
    this.keep();
    this.next.end();
  }

  private keep(): void {
    const { length, contentType, coding, chunks } = this;
    const bytes = chunks === null ? null : Buffer.concat(chunks);
    copiesOf(this.exchange).reply = { length, bytes, contentType, codings: [coding] };
  }
}

/** The request goes: what the record shows of its body stays. The second time does nothing. */
export function keepRequestBody(exchange: Exchange): void {
  const { upload, head } = exchange;
  const copies = copiesOf(exchange);
  if (copies.request !== null) return;
  const isWhole = upload.isCollected && upload.isComplete;
  const bytes = isWhole ? upload.collected() : null;
  const length = bytes?.length ?? upload.bytesAtLeast;
  copies.request = {
    length,
    // Nothing else holds it while the reply goes out, however slowly.
    bytes: length > SHOWN_BODY_BYTES_MAX ? null : bytes,
    contentType: head.fields.value('content-type'),
    codings: head.fields.values('content-encoding'),
  };
}

function copiesOf(exchange: Exchange): BodyCopies {
  exchange.bodyCopies ??= new BodyCopies();
  return exchange.bodyCopies;
}

/** null: the route shows none. */
export function loggedBodiesOf({ route, bodyCopies }: Exchange): BodyTexts | null {
  const shown = route?.shownBodies ?? null;
  return shown === null || bodyCopies === null ? null : new LoggedBodies(bodyCopies, shown);
}

class LoggedBodies implements BodyTexts {
  constructor(
    private readonly copies: BodyCopies,
    private readonly shown: CompiledLogBodies,
  ) {}

  get request(): string {
    return this.textOf(this.copies.request);
  }

  get reply(): string {
    return this.textOf(this.copies.reply);
  }

  private textOf(copy: BodyCopy | null): string {
    return copy === null ? '' : maskedBody(copy, this.shown.masks);
  }
}
