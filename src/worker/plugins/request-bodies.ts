/**
 * The plugins of a route that look at whole bodies of requests, behind the filters that do.
 *
 * Thread: worker. The body is collected then, and bounded. What they need more than once, whether
 * they have had the body, stands at the exchange.
 */
import type { LocalReply } from '../../filters/local-reply.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import type { PluginInstance } from '../route/route-plugins.js';
import { answerOf } from './plugin-answer.js';
import { FAILED, isPromise, type PluginCalls } from './plugin-calls.js';
import { RequestFacade, stateOf } from './request-facade.js';
import { outcomeFailed } from './request-plugins.js';

/** null: the request goes on. */
type Outcome = LocalReply | null;

export class RequestBodies {
  constructor(
    private readonly calls: PluginCalls,
    /** Plugins that were waited for have come to this. */
    private readonly onDone: (exchange: Exchange, outcome: Outcome) => void,
  ) {}

  /** The body is whole. `wait`: {@link onDone} comes, and then this is asked once more. */
  run(exchange: Exchange): Outcome | 'wait' {
    const { plugins } = routeOf(exchange);
    if (plugins === null || plugins.ofBodies.length === 0) return null;
    const state = stateOf(exchange);
    if (state.body === 'running') return 'wait';
    if (state.body === 'done' || exchange.upload.bodyBytes === 0) return null;
    state.body = 'running';
    const outcome = this.runFrom(exchange, plugins.ofBodies, 0);
    if (outcome !== 'wait') state.body = 'done';
    return outcome;
  }

  private runFrom(
    exchange: Exchange,
    all: readonly PluginInstance[],
    from: number,
  ): Outcome | 'wait' {
    for (let at = from; at < all.length; at += 1) {
      const instance = all[at];
      const hook = instance?.hooks.onRequestBody;
      if (instance === undefined || hook === undefined || this.calls.isOut(instance)) continue;
      const request = new RequestFacade(exchange, instance.plugin.name);
      const body = Buffer.from(exchange.upload.collected());
      const result = this.calls.call(instance, hook, body, request);
      if (isPromise(result)) {
        this.calls.wait(instance, result, (value) => {
          const outcome = this.settle(exchange, instance, request, value);
          if (!exchange.isFinished) this.goOn(exchange, outcome, all, at + 1);
        });
        return 'wait';
      }
      const outcome = this.settle(exchange, instance, request, result);
      if (outcome !== null) return outcome;
    }
    return null;
  }

  private goOn(
    exchange: Exchange,
    outcome: Outcome,
    all: readonly PluginInstance[],
    from: number,
  ): void {
    const next = outcome ?? this.runFrom(exchange, all, from);
    if (next === 'wait') return;
    stateOf(exchange).body = 'done';
    this.onDone(exchange, next);
  }

  private settle(
    exchange: Exchange,
    instance: PluginInstance,
    request: RequestFacade,
    result: unknown,
  ): Outcome {
    if (result === FAILED) {
      request.end(false);
      return outcomeFailed(instance);
    }
    try {
      const isBody = typeof result === 'string' || result instanceof Uint8Array;
      const reply = isBody ? null : answerOf(result);
      request.end(true);
      if (isBody) exchange.upload.replace(bytesOf(result));
      if (reply !== null) this.calls.countReply(instance);
      return reply;
    } catch (error) {
      request.end(false);
      this.calls.strike(instance, 'errors', { err: error });
      return outcomeFailed(instance);
    }
  }
}

/** A copy: what a plugin keeps and changes later is its own. */
export function bytesOf(body: string | Uint8Array): Buffer {
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : Buffer.from(body);
}
