/**
 * The plugins of a route that look at whole bodies of requests, behind the filters that do.
 *
 * Thread: worker. The body is collected then, and bounded. What they need more than once, whether
 * they have had the body, stands at the exchange.
 */
import { type Exchange, routeOf } from '../exchange/exchange.js';
import type { PluginInstance } from '../route/route-plugins.js';
import { answerOf } from './plugin-answer.js';
import { isPromise, type PluginCalls } from './plugin-calls.js';
import { RequestFacade, stateOf } from './request-facade.js';
import { type Outcome, settle } from './request-plugins.js';

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
      const called = { instance, request };
      const take = (value: unknown): Outcome => replyOf(exchange, value);
      const body = Buffer.from(exchange.upload.collected());
      const result = this.calls.call(instance, hook, body, request);
      if (isPromise(result)) {
        this.calls.wait(instance, result, (value) => {
          const outcome = settle(this.calls, called, value, take);
          if (!exchange.isFinished) this.goOn(exchange, outcome, all, at + 1);
        });
        return 'wait';
      }
      const outcome = settle(this.calls, called, result, take);
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
}

/** A reply, or nothing; another body is put in the place of the one that came. */
function replyOf(exchange: Exchange, result: unknown): Outcome {
  if (typeof result !== 'string' && !(result instanceof Uint8Array)) return answerOf(result);
  exchange.upload.replace(bytesOf(result));
  return null;
}

/** A copy: what a plugin keeps and changes later is its own. */
export function bytesOf(body: string | Uint8Array): Buffer {
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : Buffer.from(body);
}
