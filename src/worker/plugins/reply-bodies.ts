/**
 * The plugins of a route that look at whole bodies of replies.
 *
 * Thread: worker. The body is collected, bounded, and its head waits meanwhile. What the target has
 * coded comes as it is coded. Replies without a body, and those of the gateway's own, pass by.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import { ReplyHead } from '../../filters/reply-head.js';
import { ReplyStage, type StageHead, type StageSource } from '../../filters/reply-stage.js';
import type { RequestView } from '../../filters/request-view.js';
import { Exchange } from '../exchange/exchange.js';
import type { PluginInstance } from '../route/route-plugins.js';
import { FAILED, isPromise, type PluginCalls } from './plugin-calls.js';
import { ReplyFacade } from './reply-facade.js';
import { bytesOf } from './request-bodies.js';
import { RequestFacade } from './request-facade.js';

const HAS_FAILED = 'A part of the gateway that this route needs has failed.';

/** What no longer fits a body that was changed. */
const VALIDATORS: ReadonlySet<string> = new Set([
  ...['etag', 'content-md5', 'digest', 'content-digest', 'repr-digest', 'accept-ranges'],
]);

export class ReplyBodies implements StageSource {
  /** `plugins`: in the order in which replies pass them. */
  constructor(
    private readonly calls: PluginCalls,
    private readonly plugins: readonly PluginInstance[],
  ) {}

  open(view: RequestView, head: StageHead): ReplyStage | null {
    if (head.isLocal || head.isBodiless || !(view instanceof Exchange)) return null;
    const inUse = this.plugins.filter((instance) => !this.calls.isOut(instance));
    return inUse.length === 0 ? null : new BodyStage(this.calls, inUse, view);
  }
}

class BodyStage extends ReplyStage {
  private chunks: Buffer[] = [];
  private bytes = 0;
  private waiting: StageHead | null = null;
  private isPassing = false;
  private isOver = false;
  private isChanged = false;
  private fields: FieldBlock = NO_FIELDS;

  constructor(
    private readonly calls: PluginCalls,
    private plugins: readonly PluginInstance[],
    private readonly exchange: Exchange,
  ) {
    super();
  }

  override head(head: StageHead): void {
    this.waiting = head;
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    if (this.isOver) return true;
    if (this.isPassing) return this.next.data(bytes, isLast);
    this.bytes += bytes.length;
    // Copied: the bytes are valid inside the call only.
    this.chunks.push(Buffer.from(bytes));
    if (this.plugins.some((one) => this.isTooLongFor(one))) return this.onTooLong(isLast);
    if (isLast) this.run(Buffer.concat(this.chunks), 0);
    return true;
  }

  override trailers(fields: FieldBlock): void {
    this.fields = fields;
    this.end();
  }

  override end(): void {
    if (!this.isPassing) this.run(Buffer.concat(this.chunks), 0);
    else if (this.fields !== NO_FIELDS) this.next.trailers(this.fields);
    else this.next.end();
  }

  override cancel(): void {
    this.isOver = true;
    this.chunks = [];
  }

  /**
   * Those that it is too long for are passed over, where they may be; with any other the reply does
   * not go out. The rest see it all the same.
   */
  private onTooLong(isLast: boolean): boolean {
    for (const instance of this.plugins) {
      const { bodyBytes, isSkipped } = instance.plugin;
      if (!this.isTooLongFor(instance)) continue;
      this.calls.strike(instance, 'errors', { bodyBytes });
      if (!isSkipped) return this.refuseAll();
    }
    this.plugins = this.plugins.filter((one) => !this.isTooLongFor(one));
    if (this.plugins.length > 0) {
      if (isLast) this.run(Buffer.concat(this.chunks), 0);
      return true;
    }
    const head = this.waiting;
    if (head === null) return true;
    this.isPassing = true;
    this.next.head(head);
    return this.next.data(Buffer.concat(this.chunks.splice(0)), isLast);
  }

  private isTooLongFor({ plugin }: PluginInstance): boolean {
    return this.bytes > plugin.bodyBytes;
  }

  private refuseAll(): boolean {
    this.isOver = true;
    this.refuse(PROBLEMS.pluginFailed, HAS_FAILED);
    return true;
  }

  private run(body: Buffer, from: number): void {
    let current = body;
    for (let at = from; at < this.plugins.length; at += 1) {
      const instance = this.plugins[at];
      const hook = instance?.hooks.onReplyBody;
      const head = this.waiting;
      if (instance === undefined || hook === undefined || head === null) continue;
      const reply = new ReplyFacade(head);
      const request = new RequestFacade(this.exchange, instance.plugin.name);
      request.end(false);
      const view = Object.assign(reply, { request });
      const result = this.calls.call(instance, hook, Buffer.from(current), view);
      if (isPromise(result)) {
        this.calls.wait(instance, result, (value) => {
          if (this.isOver) return;
          const next = this.settle(instance, reply, value, current);
          if (next !== null) this.run(next, at + 1);
        });
        return;
      }
      const next = this.settle(instance, reply, result, current);
      if (next === null) return;
      current = next;
    }
    this.deliver(current);
  }

  /** null: the reply does not go out. */
  private settle(
    instance: PluginInstance,
    reply: ReplyFacade,
    result: unknown,
    body: Buffer,
  ): Buffer | null {
    const isBody = typeof result === 'string' || result instanceof Uint8Array;
    const isGood = result !== FAILED && (isBody || result === undefined || result === null);
    if (!isGood && result !== FAILED) {
      const error = new TypeError('onReplyBody() returns a body, or nothing');
      this.calls.strike(instance, 'errors', { err: error });
    }
    reply.end(isGood);
    if (!isGood && !instance.plugin.isSkipped) {
      this.refuseAll();
      return null;
    }
    if (!isGood || !isBody) return body;
    this.isChanged = true;
    return bytesOf(result);
  }

  private deliver(body: Buffer): void {
    const { waiting: head, fields } = this;
    if (head === null || this.isOver) return;
    if (this.isChanged) {
      const edited = new ReplyHead(head.status, head.fields, false);
      edited.removeWhere((name) => VALIDATORS.has(name));
      head.fields = edited.toBlock();
    }
    head.bodyBytes = fields === NO_FIELDS ? body.length : -1;
    this.next.head(head);
    if (body.length > 0) this.next.data(body, fields === NO_FIELDS);
    else if (fields === NO_FIELDS) this.next.end();
    if (fields !== NO_FIELDS) this.next.trailers(fields);
  }
}
