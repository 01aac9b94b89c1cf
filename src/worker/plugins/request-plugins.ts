/**
 * The plugins of a route, one after the other, before the request goes to its target; and at its
 * end.
 *
 * Thread: worker. A plugin that has to be waited for makes its exchange wait, for no longer than
 * its budget says.
 */
import { PROBLEMS } from '../../base/problems.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import type { PluginInstance } from '../route/route-plugins.js';
import type { RouteSides, WorkerRoute } from '../route/worker-route.js';
import { answerOf } from './plugin-answer.js';
import { FAILED, type Failed, isPromise, type PluginCalls } from './plugin-calls.js';
import { RequestFacade } from './request-facade.js';

/** null: the request goes on. */
export type Outcome = LocalReply | null;

export class RequestPlugins {
  constructor(
    private readonly calls: PluginCalls,
    /** Plugins that were waited for have come to this. */
    private readonly onDone: (exchange: Exchange, outcome: Outcome) => void,
  ) {}

  // Hot path (bench/micro/worker/plugin-call): every request of a route with plugins.
  onRequest(exchange: Exchange): LocalReply | 'next' | 'wait' {
    const { plugins } = routeOf(exchange);
    return plugins === null ? 'next' : (this.runFrom(exchange, plugins.all, 0) ?? 'next');
  }

  private runFrom(
    exchange: Exchange,
    all: readonly PluginInstance[],
    from: number,
  ): Outcome | 'wait' {
    for (let at = from; at < all.length; at += 1) {
      const instance = all[at];
      const outcome = instance === undefined ? null : this.run(exchange, instance, all, at);
      if (outcome !== null) return outcome;
    }
    return null;
  }

  private run(
    exchange: Exchange,
    instance: PluginInstance,
    all: readonly PluginInstance[],
    at: number,
  ): Outcome | 'wait' {
    const { calls } = this;
    if (calls.isOut(instance)) return outcomeOut(calls, instance);
    const { onRequest } = instance.hooks;
    if (onRequest === undefined) return null;
    const request = new RequestFacade(exchange, instance.plugin.name);
    const result = calls.call(instance, onRequest, request, undefined);
    if (!isPromise(result)) return settle(calls, { instance, request }, result);
    calls.wait(instance, result, (value) => {
      const outcome = settle(calls, { instance, request }, value);
      if (exchange.isFinished) return;
      const next = outcome ?? this.runFrom(exchange, all, at + 1);
      if (next !== 'wait') this.onDone(exchange, next);
    });
    return 'wait';
  }

  /** The side that a plugin has chosen; null: none has. */
  chosenSide(exchange: Exchange, { split, chosenRoutes }: RouteSides): WorkerRoute | null {
    const { plugins } = routeOf(exchange);
    if (plugins === null || plugins.ofChoices.length === 0) return null;
    const names = split.sides.map(({ name }) => name);
    for (const instance of plugins.ofChoices) {
      const { selectTarget } = instance.hooks;
      if (selectTarget === undefined || this.calls.isOut(instance)) continue;
      const request = new RequestFacade(exchange, instance.plugin.name);
      request.end(false);
      const chosen: unknown = this.calls.call(instance, selectTarget, request, names);
      if (typeof chosen === 'string') return chosenRoutes[names.indexOf(chosen)] ?? null;
      if (chosen === undefined || chosen === null || chosen === FAILED) continue;
      if (chosen instanceof Promise) chosen.catch(() => {});
      const err = new TypeError('selectTarget() returns a name, at once, or nothing');
      this.calls.strike(instance, 'errors', { err });
    }
    return null;
  }

  /** The exchange is over. */
  onFinish(exchange: Exchange, nowMs: number): void {
    const { reply, route, isAside } = exchange;
    const plugins = route === null || isAside ? null : route.plugins;
    if (plugins === null) return;
    for (const instance of plugins.ofEnds) {
      const { onFinish } = instance.hooks;
      if (onFinish === undefined || this.calls.isOut(instance)) continue;
      const request = new RequestFacade(exchange, instance.plugin.name);
      request.end(false);
      const result = {
        status: reply.status,
        durationMs: nowMs - exchange.receivedMs,
        bytes: reply.bytesSent,
        code: reply.problem?.code ?? '',
      };
      const called: void | Promise<void> | Failed = this.calls.call(
        instance,
        onFinish,
        result,
        request,
      );
      if (isPromise(called)) this.calls.wait(instance, called, () => {});
    }
  }
}

/**
 * The call of a hook has ended, and its changes count if it has ended well. `take`: what follows
 * from its result; throws where that is nothing that the hook may return.
 */
export function settle(
  calls: PluginCalls,
  { instance, request }: { readonly instance: PluginInstance; readonly request: RequestFacade },
  result: unknown,
  take: (result: unknown) => Outcome = answerOf,
): Outcome {
  if (result === FAILED) {
    request.end(false);
    return outcomeFailed(instance);
  }
  try {
    const reply = take(result);
    request.end(true);
    if (reply !== null) calls.countReply(instance);
    return reply;
  } catch (error) {
    request.end(false);
    calls.strike(instance, 'errors', { err: error });
    return outcomeFailed(instance);
  }
}

/** What becomes of a request whose plugin is out. */
function outcomeOut(calls: PluginCalls, instance: PluginInstance): Outcome {
  calls.countSkipped(instance);
  const { isSkipped, name } = instance.plugin;
  if (isSkipped) return null;
  const cause = `plugin ${name} is out`;
  return refusal(PROBLEMS.pluginOut, 'A part of the gateway that this route needs is out.', {
    cause,
  });
}

/** What becomes of a request whose plugin has failed. */
function outcomeFailed({ plugin }: PluginInstance): Outcome {
  if (plugin.isSkipped) return null;
  const cause = `plugin ${plugin.name} has failed`;
  return refusal(PROBLEMS.pluginFailed, 'A part of the gateway that this route needs has failed.', {
    cause,
  });
}
