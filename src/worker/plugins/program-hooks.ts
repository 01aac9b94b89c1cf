/**
 * The hooks of a plugin that the program has, as a worker calls them: each asks the main thread.
 *
 * Thread: worker. Owns the asks that wait. Such a hook is always waited for; its budget, its
 * failures and what becomes of them are those of every other plugin.
 */
import type { Clock } from '../../base/clock.js';
import type {
  ProgramAnswer,
  ProgramAsk,
  ProgramHook,
} from '../../channel/plugins/program-calls.js';
import type { CompiledPlugin } from '../../config/compiled-plugin.js';
import type {
  PluginHooks,
  PluginReplyHead,
  PluginRequestView,
  PluginResult,
} from '../../plugins/plugin.js';
import type { PluginCalls } from './plugin-calls.js';
import type { ReplyFacade } from './reply-facade.js';
import type { RequestFacade } from './request-facade.js';

/** Asks of one worker that wait at a time. */
const WAITING_MAX = 4096;
/** Behind the budget of a call, which ends it: what is asked then is forgotten. */
const FORGET_MS = 1000;
const OPEN_MS_MAX = 15_000;

type Done = Extract<ProgramAnswer, { readonly kind: 'done' }>;

interface Waiting {
  resolve(answer: ProgramAnswer): void;
  reject(error: Error): void;
}

export interface ProgramClientParts {
  readonly clock: Pick<Clock, 'after'>;
  post(ask: ProgramAsk): void;
}

/** What a hook is called with, besides the request. */
interface Given {
  readonly reply?: PluginReplyHead;
  readonly given?: unknown;
}

export class ProgramClient {
  private readonly waiting = new Map<number, Waiting>();
  /** Numbers of requests, by what their hooks share. */
  private readonly exchanges = new WeakMap<object, number>();
  private lastId = 0;
  private lastExchange = 0;

  constructor(private readonly parts: ProgramClientParts) {}

  onAnswer(answer: ProgramAnswer): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.kind === 'failed') waiting?.reject(new Error(answer.problem));
    else waiting?.resolve(answer);
  }

  /** Has the plugin set up; rejects with its reason. */
  async hooksOf(plugin: CompiledPlugin, calls: PluginCalls): Promise<PluginHooks> {
    const { index: row } = plugin;
    const opened = await this.ask(OPEN_MS_MAX, (id) => ({ kind: 'open', id, row }));
    const names: readonly ProgramHook[] = opened.kind === 'opened' ? opened.hooks : [];
    const has = (name: ProgramHook): boolean => names.includes(name);
    const call = (hook: ProgramHook, request: PluginRequestView, more: Given = {}) =>
      this.call({ plugin, calls, hook }, request, more);
    return {
      ...(has('onRequest') && { onRequest: (request) => call('onRequest', request) }),
      ...(has('authenticate') && { authenticate: (request) => call('authenticate', request) }),
      ...(has('onRequestBody') && {
        onRequestBody: (given, request) => call('onRequestBody', request, { given }),
      }),
      ...(has('onReplyBody') && {
        onReplyBody: (given, reply) => call('onReplyBody', reply.request, { given, reply }),
      }),
      ...(has('onReply') && { onReply: (reply, request) => call('onReply', request, { reply }) }),
      onFinish: (result, request) => this.finish(has('onFinish') ? call : null, result, request),
    } satisfies PluginHooks as PluginHooks;
  }

  /** What hooks of the request have told each other on the main thread is forgotten. */
  private async finish(
    call: ((hook: ProgramHook, request: PluginRequestView, more: Given) => Promise<unknown>) | null,
    given: PluginResult,
    request: PluginRequestView,
  ): Promise<void> {
    const exchange = this.exchanges.get(request.state);
    try {
      await call?.('onFinish', request, { given });
    } finally {
      if (exchange !== undefined || call !== null) {
        this.parts.post({ kind: 'end', exchange: this.exchangeOf(request) });
      }
    }
  }

  private async call(
    { plugin, calls, hook }: { plugin: CompiledPlugin; calls: PluginCalls; hook: ProgramHook },
    request: PluginRequestView,
    { reply, given = null }: Given,
  ): Promise<never> {
    const { index: row, waitMs } = plugin;
    const seen = request as RequestFacade;
    const answered = reply as ReplyFacade | undefined;
    const done = (await this.ask(waitMs + FORGET_MS, (id) => ({
      ...{ kind: 'call', id, row, hook, exchange: this.exchangeOf(request) },
      ...{ request: seen.facts(), reply: answered?.facts() ?? null, given },
    }))) as Done;
    calls.countElsewhere({ plugin, hooks: {} }, done.busyMs);
    for (const [name, value] of done.edits) {
      if (value === null) seen.removeHeader(name);
      else seen.setHeader(name, value);
    }
    for (const [name, value] of done.logged) request.log(name, value);
    if (done.reply !== null) answered?.adopt(done.reply);
    return done.value as never;
  }

  private exchangeOf({ state }: PluginRequestView): number {
    const known = this.exchanges.get(state);
    if (known !== undefined) return known;
    this.lastExchange += 1;
    this.exchanges.set(state, this.lastExchange);
    return this.lastExchange;
  }

  private ask(ms: number, asked: (id: number) => ProgramAsk): Promise<ProgramAnswer> {
    if (this.waiting.size >= WAITING_MAX) throw new Error('too much is asked of the main thread');
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve, reject) => {
      const timer = this.parts.clock.after(ms, () => {
        this.waiting.delete(id);
        reject(new Error('the main thread has not answered'));
      });
      this.waiting.set(id, {
        resolve: (answer) => {
          timer.cancel();
          resolve(answer);
        },
        reject: (error) => {
          timer.cancel();
          reject(error);
        },
      });
      this.parts.post(asked(id));
    });
  }
}
