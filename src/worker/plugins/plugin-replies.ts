/**
 * The plugins of a route on the way of its replies.
 *
 * Thread: worker. What they do at once is done when the head is there, and the reply passes no
 * stage; a plugin that has to be waited for keeps head and body back meanwhile, and the target
 * waits. A reply of the gateway's own goes out whatever a plugin does.
 */

import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import { ReplyStage, type StageHead, type StageSource } from '../../filters/reply-stage.js';
import type { RequestView } from '../../filters/request-view.js';
import { Exchange } from '../exchange/exchange.js';
import type { PluginInstance } from '../route/route-plugins.js';
import { FAILED, type Failed, isPromise, type PluginCalls } from './plugin-calls.js';
import { ReplyFacade } from './reply-facade.js';
import { RequestFacade } from './request-facade.js';

/** What a reply comes to: `failed` is for replies of targets only. */
type Verdict = 'pass' | 'restate' | 'failed';

/** A plugin that is waited for. */
interface Waiting {
  readonly instance: PluginInstance;
  readonly at: number;
  readonly reply: ReplyFacade;
  readonly request: RequestFacade;
  readonly promise: Promise<void>;
}

export class PluginReplies implements StageSource {
  /** `plugins`: in the order in which replies pass them. */
  constructor(
    private readonly calls: PluginCalls,
    private readonly plugins: readonly PluginInstance[],
  ) {}

  open(view: RequestView, head: StageHead): ReplyStage | null {
    if (!(view instanceof Exchange)) return null;
    const begun = this.runFrom(view, head, 0);
    if (begun === 'pass') return null;
    return new PluginStage(this, view, begun);
  }

  /** Runs plugins until one has to be waited for. */
  runFrom(exchange: Exchange, head: StageHead, from: number): Verdict | Waiting {
    let verdict: Verdict = 'pass';
    for (let at = from; at < this.plugins.length; at += 1) {
      const instance = this.plugins[at];
      const onReply = instance?.hooks.onReply;
      // That it is out was decided when the request came by.
      if (instance === undefined || onReply === undefined || this.calls.isOut(instance)) continue;
      const reply = new ReplyFacade(head);
      const request = new RequestFacade(exchange, instance.plugin.name);
      request.end(false);
      const called: void | Promise<void> | Failed = this.calls.call(
        instance,
        onReply,
        reply,
        request,
      );
      if (isPromise(called)) return { instance, at, reply, request, promise: called };
      const isOther = reply.end(called !== FAILED);
      if (isOther) verdict = 'restate';
      if (called === FAILED && !instance.plugin.isSkipped && !head.isLocal) return 'failed';
    }
    return verdict;
  }

  /** Goes on once the plugin has come to its end. */
  goOn(
    exchange: Exchange,
    head: StageHead,
    waiting: Waiting,
    done: (verdict: Verdict) => void,
  ): void {
    const { instance, at, reply, promise } = waiting;
    this.calls.wait(instance, promise, (value) => {
      reply.end(value !== FAILED);
      if (value === FAILED && !instance.plugin.isSkipped && !head.isLocal) {
        done('failed');
        return;
      }
      const next = this.runFrom(exchange, head, at + 1);
      if (typeof next === 'string') done(next);
      else this.goOn(exchange, head, next, done);
    });
  }
}

/** Keeps a reply back while a plugin is waited for. */
class PluginStage extends ReplyStage {
  private readonly chunks: Buffer[] = [];
  private isWaiting = false;
  private isCancelled = false;
  /** What came behind the body while it waited. */
  private behind: 'nothing' | 'end' | 'trailers' = 'nothing';
  private fields: FieldBlock = NO_FIELDS;

  constructor(
    private readonly source: PluginReplies,
    private readonly exchange: Exchange,
    private readonly begun: Exclude<Verdict, 'pass'> | Waiting,
  ) {
    super();
  }

  override head(head: StageHead): void {
    if (typeof this.begun === 'string') {
      this.decide(head, this.begun);
      return;
    }
    this.isWaiting = true;
    this.source.goOn(this.exchange, head, this.begun, (verdict) => {
      if (this.isCancelled) return;
      this.isWaiting = false;
      this.settle(head, verdict);
    });
  }

  private settle(head: StageHead, verdict: Verdict): void {
    try {
      if (!this.decide(head, verdict)) return;
      const isLast = this.behind === 'end';
      this.sendKept(isLast);
    } catch (error) {
      this.fail(error);
    }
  }

  /** False: the reply does not go out. */
  private decide(head: StageHead, verdict: Verdict): boolean {
    if (verdict === 'failed') {
      const detail = 'A part of the gateway that this route needs has failed.';
      this.refuse(PROBLEMS.pluginFailed, detail);
      return false;
    }
    this.next.head(head);
    return true;
  }

  private sendKept(isLast: boolean): void {
    const { chunks, behind } = this;
    const body = Buffer.concat(chunks.splice(0));
    if (isLast) {
      if (body.length > 0) this.next.data(body, true);
      else this.next.end();
      return;
    }
    const wantsMore = body.length === 0 || this.next.data(body, false);
    if (behind === 'trailers') this.next.trailers(this.fields);
    else if (wantsMore) this.resumeSource();
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    if (!this.isWaiting) return this.next.data(bytes, isLast);
    this.chunks.push(Buffer.from(bytes));
    if (isLast) this.behind = 'end';
    return false;
  }

  override trailers(fields: FieldBlock): void {
    if (!this.isWaiting) {
      this.next.trailers(fields);
      return;
    }
    this.behind = 'trailers';
    this.fields = fields;
  }

  override end(): void {
    if (this.isWaiting) this.behind = 'end';
    else this.next.end();
  }

  override cancel(): void {
    this.isCancelled = true;
  }
}
