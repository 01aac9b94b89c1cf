/**
 * Finds out which plugin a worker was in when it hung or died, and puts out one that makes workers
 * hang.
 *
 * Thread: supervisor. Owns the memory of plugins, which outlives every worker.
 */
import type { Logger } from 'pino';
import {
  allocatePlugins,
  PluginBoardView,
  type PluginMemory,
} from '../channel/plugins/plugin-board.js';
import type { StoreAnswer, StoreAsk } from '../channel/plugins/plugin-messages.js';
import type { ProgramAnswer, ProgramAsk } from '../channel/plugins/program-calls.js';
import type { CompiledPlugin } from '../config/compiled-plugin.js';
import type { Plugin } from '../plugins/plugin.js';
import { PluginStores } from './plugin-stores.js';
import { ProgramHost } from './program-plugins/program-host.js';

export interface PluginWatchParts {
  readonly lanes: number;
  readonly logger: Logger;
  nowMs(): number;
  unixMs(): number;
  /** What the program has given; undefined: nothing of this name. */
  find(file: string): Plugin<never> | undefined;
  /** Of all versions that a worker may still use, the newest one last. */
  plugins(): readonly CompiledPlugin[];
}

export class PluginWatch {
  readonly memory: PluginMemory;
  readonly board: PluginBoardView;
  private readonly stores: PluginStores;
  private readonly program: ProgramHost;
  /** Those that only the next version has. */
  private next: readonly CompiledPlugin[] = [];

  constructor(private readonly parts: PluginWatchParts) {
    this.memory = allocatePlugins(parts.lanes);
    this.board = new PluginBoardView(this.memory);
    this.stores = new PluginStores(parts.nowMs);
    this.program = new ProgramHost({
      board: this.board,
      ...{ logger: parts.logger, nowMs: parts.nowMs, find: parts.find },
      plugins: () => [...parts.plugins(), ...this.next],
      store: (ask) => this.stores.answer(ask),
    });
  }

  /** The worker of the lane hangs. True: a plugin does that, and nobody runs it any more. */
  onHang(lane: number): boolean {
    const plugin = this.suspectIn(lane);
    if (plugin === undefined) return false;
    const { index: row, name, isSkipped } = plugin;
    this.board.addLost(lane, row);
    this.board.putOut(row, 'hang');
    const message = 'plugin makes a worker hang: it is put out';
    this.parts.logger.error({ plugin: name, lane, isSkipped }, message);
    return true;
  }

  /** The worker of the lane has died: a plugin that ran there has probably done that. */
  onDeath(lane: number): void {
    const plugin = this.suspectIn(lane);
    if (plugin === undefined) return;
    const { index: row, name, strikesMax } = plugin;
    this.board.addLost(lane, row);
    const isPutOut = this.board.strike(row, strikesMax, Math.floor(this.parts.unixMs() / 1000));
    this.parts.logger.error({ plugin: name, lane, isPutOut }, 'worker died in a plugin');
  }

  /** Nobody runs in the lane until it has its next worker. */
  onGone(lane: number): void {
    this.board.clearLane(lane);
    this.program.onGone(lane);
  }

  /** A plugin asks for something of its store. */
  answer(ask: StoreAsk): StoreAnswer {
    return this.stores.answer(ask);
  }

  /** A worker asks for something of a plugin that the program has. Never rejects. */
  async call(lane: number, ask: ProgramAsk, post: (answer: ProgramAnswer) => void): Promise<void> {
    const answer = await this.program.answer(lane, ask);
    if (answer === null) return;
    try {
      post(answer);
    } catch (error) {
      // What the hook has returned is no plain data.
      post({ kind: 'failed', id: answer.id, problem: String(error) });
    }
  }

  /** A version has come into force. */
  adopt(): void {
    this.next = [];
    this.program.keepOnly(new Set(this.parts.plugins().map(({ index }) => index)));
    this.stores.keepOnly(new Set(this.parts.plugins().map(({ name }) => name)));
  }

  /** Workers are going to make the next version: rows that no version in use has are new. */
  begin(next: readonly CompiledPlugin[]): void {
    const known = new Set(this.parts.plugins().map(({ index }) => index));
    this.program.keepOnly(known);
    this.next = next.filter(({ index }) => !known.has(index));
    for (const { index } of this.next) this.board.clearRow(index);
  }

  /** That version has plugins that no other has. */
  get hasNew(): boolean {
    return this.next.length > 0;
  }

  /** Workers have made it. Throws where one of its new plugins has made a worker hang or die. */
  prove(): void {
    const { board } = this;
    const bad = this.next.find(
      ({ index }) => board.isOut(index) || board.sumOf(index, 'lostWorkers') > 0,
    );
    if (bad === undefined) return;
    const effect = board.isOut(bad.index) ? 'hang' : 'die';
    throw new Error(`plugin ${bad.name} makes workers ${effect} as it is set up`);
  }

  private suspectIn(lane: number): CompiledPlugin | undefined {
    const row = this.board.runningIn(lane);
    const all = [...this.parts.plugins(), ...this.next];
    return row === -1 ? undefined : all.findLast(({ index }) => index === row);
  }
}
