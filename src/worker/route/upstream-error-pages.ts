/**
 * The stage that replaces error replies of targets by the pages of the configuration, where a route
 * says so (`upstreamErrors`).
 *
 * Thread: worker. The status stays, and so do fields that do not describe the body that is
 * replaced. A reply stays whole where there is no page for its status in a type that the client
 * takes.
 */
import { STATUS_CODES } from 'node:http';
import type { ErrorPages, ErrorRule, Refused } from '../../base/error-pages.js';
import { type FieldBlock, field, joinFields, withoutFields } from '../../base/field-block.js';
import { ReplyStage, type StageHead, type StageSource } from '../../filters/reply-stage.js';
import type { RequestView } from '../../filters/request-view.js';

/** `{{code}}` of such a page. It stands for the reply of a target and for no problem of ours. */
const UPSTREAM_STATUS_CODE = 'upstream_status';

/** Longer bodies are not waited for: the client gets its page, and the target is left. */
const DROPPED_BYTES_MAX = 64 * 1024;

/** Lower-case names of fields that speak of the body that nobody gets. */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  ...['content-type', 'content-encoding', 'content-language', 'content-location'],
  ...['content-range', 'content-disposition', 'content-md5', 'content-digest', 'repr-digest'],
  ...['digest', 'etag', 'last-modified', 'accept-ranges', 'trailer', 'x-content-type-options'],
]);

const NOSNIFF = field('X-Content-Type-Options', 'nosniff');

export interface UpstreamErrorRules {
  /** Statuses, and 4 or 5 for all of a class. */
  readonly statuses: readonly number[];
  /** Pages of the route, which come before those of the whole gateway. */
  readonly ofRoute: readonly ErrorRule[];
}

export class UpstreamErrorPages implements StageSource {
  private readonly statuses: ReadonlySet<number>;

  constructor(
    private readonly pages: ErrorPages,
    private readonly rules: UpstreamErrorRules,
  ) {
    this.statuses = new Set(rules.statuses);
  }

  open(request: RequestView, head: StageHead): ReplyStage | null {
    const { status, isLocal } = head;
    if (status < 400 || isLocal) return null;
    if (!this.statuses.has(status) && !this.statuses.has(Math.floor(status / 100))) return null;
    const page = this.pages.pageFor(refusedBy(status, request), this.rules.ofRoute);
    if (page === null) return null;
    if (page.body === null) {
      // Another client would have got the page.
      head.fields = joinFields(head.fields, page.fields);
      return null;
    }
    const body = Buffer.from(page.body, 'utf8');
    head.fields = withPage(head.fields, page.fields);
    head.bodyBytes = body.length;
    return new PageStage(body);
  }
}

function refusedBy(status: number, { requestId, fields }: RequestView): Refused {
  const title = STATUS_CODES[status] ?? 'Error';
  const detail = `The service answered with status ${status}.`;
  const accept = fields.values('accept').join(',');
  return { kind: { status, code: UPSTREAM_STATUS_CODE, title }, detail, requestId, accept };
}

function withPage(fields: FieldBlock, ofPage: FieldBlock): FieldBlock {
  return joinFields(joinFields(withoutFields(fields, OF_THE_BODY), ofPage), NOSNIFF);
}

class PageStage extends ReplyStage {
  private dropped = 0;
  private isSent = false;
  private isBodiless = false;

  constructor(private readonly body: Buffer) {
    super();
  }

  override head(head: StageHead): void {
    this.isBodiless = head.isBodiless;
    super.head(head);
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    this.dropped += bytes.length;
    if (isLast || this.dropped > DROPPED_BYTES_MAX) this.send();
    return true;
  }

  override trailers(): void {
    this.send();
  }

  override end(): void {
    this.send();
  }

  private send(): void {
    if (this.isSent) return;
    this.isSent = true;
    if (this.isBodiless) this.next.end();
    else this.next.data(this.body, true);
  }
}
