/**
 * Runs plugins of the program on the main thread, as workers ask for it.
 *
 * Thread: supervisor (on the main thread). Owns their instances, one for each row, and what hooks
 * of one request tell each other. A plugin that loops holds up the main thread: its admin listener,
 * reloads and everything else of the program. Workers wait for no longer than its budget says.
 */
import type { Logger } from 'pino';
import type { PluginBoardView } from '../../channel/plugins/plugin-board.js';
import type { StoreAnswer, StoreAsk } from '../../channel/plugins/plugin-messages.js';
import {
  PROGRAM_HOOKS,
  type ProgramAnswer,
  type ProgramAsk,
  type ProgramHook,
} from '../../channel/plugins/program-calls.js';
import type { CompiledPlugin } from '../../config/compiled-plugin.js';
import type { Plugin, PluginHooks } from '../../plugins/plugin.js';
import { contextOf } from '../../worker/plugins/plugin-context.js';
import { PluginFetcher } from '../../worker/plugins/plugin-fetch.js';
import { ReplyFacade } from '../../worker/plugins/reply-facade.js';
import { StoreClient } from '../../worker/plugins/store-client.js';
import { ProgramRequest } from './program-request.js';

/** Requests of one worker whose hooks have told each other something; the oldest is forgotten. */
const STATES_MAX = 16_384;

export interface ProgramHostParts {
  readonly board: PluginBoardView;
  readonly logger: Logger;
  nowMs(): number;
  /** What the program has given; undefined: nothing of this name. */
  find(file: string): Plugin<never> | undefined;
  /** Of all versions in use, and of the next one. */
  plugins(): readonly CompiledPlugin[];
  store(ask: StoreAsk): StoreAnswer;
}

interface Instance {
  readonly fetcher: PluginFetcher;
  readonly hooks: Promise<PluginHooks>;
}

type Call = Extract<ProgramAsk, { readonly kind: 'call' }>;

export class ProgramHost {
  private readonly instances = new Map<number, Instance>();
  /** By lane, then by request. */
  private readonly states = new Map<number, Map<number, Map<string, unknown>>>();

  constructor(private readonly parts: ProgramHostParts) {}

  /** Never rejects. null: nothing is to be answered. */
  async answer(lane: number, ask: ProgramAsk): Promise<ProgramAnswer | null> {
    if (ask.kind === 'end') {
      this.states.get(lane)?.delete(ask.exchange);
      return null;
    }
    const { id } = ask;
    try {
      const hooks = await this.instanceOf(ask.row).hooks;
      if (ask.kind === 'call') return await this.call(lane, ask, hooks);
      return { kind: 'opened', id, hooks: PROGRAM_HOOKS.filter((name) => name in hooks) };
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      return { kind: 'failed', id, problem };
    }
  }

  /** Instances of other rows are not used any more. */
  keepOnly(rows: ReadonlySet<number>): void {
    for (const [row, instance] of this.instances) {
      if (rows.has(row)) continue;
      this.instances.delete(row);
      this.unload(instance).catch((error: unknown) =>
        this.parts.logger.warn({ err: error }, 'plugin has failed as it was let go'),
      );
    }
  }

  /** The worker of the lane is gone, and its requests with it. */
  onGone(lane: number): void {
    this.states.delete(lane);
  }

  private instanceOf(row: number): Instance {
    const known = this.instances.get(row);
    if (known !== undefined) return known;
    const plugin = this.parts.plugins().findLast(({ index }) => index === row);
    if (plugin === undefined) throw new Error('the plugin is not in use any more');
    const fetcher = new PluginFetcher(() => {});
    const instance = { fetcher, hooks: this.setUp(plugin, fetcher) };
    this.instances.set(row, instance);
    // Whoever asks once more, as a reload does, tries once more.
    instance.hooks.catch(async () => {
      if (this.instances.get(row) === instance) this.instances.delete(row);
      await fetcher.close();
    });
    return instance;
  }

  private async setUp(plugin: CompiledPlugin, fetcher: PluginFetcher): Promise<PluginHooks> {
    const { board, logger, find, store } = this.parts;
    const given = find(plugin.program);
    if (given === undefined) throw new Error('the program has not given it, or long ago');
    const client = new StoreClient((ask) => queueMicrotask(() => client.onAnswer(store(ask))));
    const services = { fetch: fetcher.fetch, store: client.storeOf(plugin.name, () => {}) };
    const context = contextOf(plugin, { board, logger }, services);
    const hooks: unknown = await given.setup(plugin.options as never, context);
    if (typeof hooks !== 'object' || hooks === null) {
      throw new TypeError('setup() has to return an object with hooks');
    }
    if ('selectTarget' in hooks) {
      throw new TypeError('selectTarget() cannot be waited for: such a plugin has to be a file');
    }
    return hooks;
  }

  private async unload({ hooks, fetcher }: Instance): Promise<void> {
    await fetcher.close();
    await (await hooks).onUnload?.();
  }

  private async call(lane: number, call: Call, hooks: PluginHooks): Promise<ProgramAnswer> {
    const { id, hook, exchange } = call;
    const isOpen = hook === 'onRequest' || hook === 'onRequestBody';
    // Another plugin of the request may have ended before this one looks.
    let known = this.states.get(lane)?.get(exchange);
    const state = (): Map<string, unknown> => {
      known ??= this.stateOf(lane, exchange);
      return known;
    };
    const request = new ProgramRequest(call.request, { isOpen, state });
    const head = call.reply === null ? null : { ...call.reply, bodyBytes: -1 };
    const reply = head === null ? null : new ReplyFacade(head);
    const begunMs = this.parts.nowMs();
    const result = run(hooks, hook, call, request, reply);
    const busyMs = this.parts.nowMs() - begunMs;
    const value = await result;
    reply?.end(true);
    const { edits, logged } = request;
    return { kind: 'done', id, value, busyMs, edits, logged, reply: head };
  }

  private stateOf(lane: number, exchange: number): Map<string, unknown> {
    const ofLane = this.states.get(lane) ?? new Map<number, Map<string, unknown>>();
    this.states.set(lane, ofLane);
    const known = ofLane.get(exchange);
    if (known !== undefined) return known;
    const [oldest = -1] = ofLane.keys();
    if (ofLane.size >= STATES_MAX) ofLane.delete(oldest);
    const made = new Map<string, unknown>();
    ofLane.set(exchange, made);
    return made;
  }
}

/** What the hook returns, which may be a promise. */
function run(
  hooks: PluginHooks,
  hook: ProgramHook,
  { given }: Call,
  request: ProgramRequest,
  reply: ReplyFacade | null,
): unknown {
  switch (hook) {
    case 'onRequest':
      return hooks.onRequest?.(request);
    case 'authenticate':
      return hooks.authenticate?.(request);
    case 'onRequestBody':
      return hooks.onRequestBody?.(bufferOf(given), request);
    case 'onFinish':
      return hooks.onFinish?.(given as never, request);
    case 'onReply':
      return reply === null ? undefined : hooks.onReply?.(reply, request);
    default:
      return reply === null
        ? undefined
        : hooks.onReplyBody?.(bufferOf(given), Object.assign(reply, { request }));
  }
}

function bufferOf(given: unknown): Buffer {
  const bytes = given as Uint8Array;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
