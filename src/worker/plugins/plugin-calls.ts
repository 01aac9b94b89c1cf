/**
 * Calls plugins: says who runs, measures what a call takes, and counts what a plugin must not do.
 *
 * Thread: worker. A call never throws, and never waits for longer than the budget of its plugin.
 * Invariant: the plugin that runs stands in shared memory before it is called, and until the turn
 * ends where it goes on after a wait: whoever finds the worker hanging knows whose work that is.
 */
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import type { PluginBoard, PluginFigure } from '../../channel/plugins/plugin-board.js';
import type { PluginInstance } from '../route/route-plugins.js';

/** In place of what a hook would have returned. */
export const FAILED = Symbol('the call has failed');
export type Failed = typeof FAILED;

/** A hook of two arguments, with what it may return. */
export type Hook<A, B, T> = (first: A, second: B) => T | Promise<T>;

export interface PluginCallsParts {
  readonly board: PluginBoard;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Strike = Extract<PluginFigure, 'errors' | 'slowCalls' | 'lateCalls' | 'strayErrors'>;

const STRIKE_TEXTS: Readonly<Record<Strike, string>> = {
  errors: 'plugin has failed',
  slowCalls: 'plugin has worked for longer than its budget',
  lateCalls: 'plugin has been waited for longer than its budget',
  strayErrors: 'plugin has failed outside of its calls',
};

export class PluginCalls {
  /** Calls that are waited for, by row. */
  private readonly waiting = new Map<number, number>();
  private isMarked = false;

  constructor(private readonly parts: PluginCallsParts) {}

  isOut({ plugin }: PluginInstance): boolean {
    return this.parts.board.isOut(plugin.index);
  }

  // Hot path (bench/micro/worker/plugin-call): once for every hook.
  /** What the hook returned, which may be a promise: see {@link wait}. */
  call<A, B, T>(
    instance: PluginInstance,
    hook: Hook<A, B, T>,
    first: A,
    second: B,
  ): T | Promise<T> | Failed {
    const { board, clock } = this.parts;
    const row = instance.plugin.index;
    board.setRunning(row);
    const begunMs = clock.nowMs();
    let result: T | Promise<T> | Failed;
    let error: unknown = null;
    try {
      result = hook.call(instance.hooks, first, second);
    } catch (thrown) {
      result = FAILED;
      error = thrown;
    }
    const busyMs = clock.nowMs() - begunMs;
    board.add(row, 'calls');
    board.add(row, 'busyMs', busyMs);
    if (isPromise(result)) this.markUntilTurnEnds();
    else board.setRunning(-1);
    if (busyMs > instance.plugin.cpuMs) this.strike(instance, 'slowCalls', { busyMs });
    if (result === FAILED) this.strike(instance, 'errors', { err: error });
    return result;
  }

  /** Calls `done` once: with the value, or with {@link FAILED} once the budget is used up. */
  wait<T>(instance: PluginInstance, promise: Promise<T>, done: (value: T | Failed) => void): void {
    let isOver = false;
    const end = (value: T | Failed): void => {
      isOver = true;
      timer.cancel();
      this.changeWaiting(instance, -1);
      done(value);
    };
    const { waitMs } = instance.plugin;
    this.changeWaiting(instance, 1);
    const timer = this.parts.clock.after(waitMs, () => {
      this.strike(instance, 'lateCalls', { waitMs });
      end(FAILED);
    });
    // Whatever it is that has a then().
    Promise.resolve(promise).then(
      (value) => {
        if (!isOver) end(value);
      },
      (error: unknown) => {
        // What comes after its time was counted already.
        if (isOver) return;
        this.strike(instance, 'errors', { err: error });
        end(FAILED);
      },
    );
  }

  countReply({ plugin }: PluginInstance): void {
    this.parts.board.add(plugin.index, 'replies');
  }

  countSkipped({ plugin }: PluginInstance): void {
    this.parts.board.add(plugin.index, 'skippedCalls');
  }

  /** A call has worked for this long on the main thread. */
  countElsewhere(instance: PluginInstance, busyMs: number): void {
    this.parts.board.add(instance.plugin.index, 'busyMs', busyMs);
    if (busyMs > instance.plugin.cpuMs) this.strike(instance, 'slowCalls', { busyMs });
  }

  /** The plugin has done what it must not do. */
  strike({ plugin }: PluginInstance, what: Strike, facts: object): void {
    const { board, clock, logger } = this.parts;
    const { name, index: row, strikesMax } = plugin;
    board.add(row, what);
    const isPutOut = board.strike(row, strikesMax, Math.floor(clock.unixMs() / 1000));
    logger.warn({ plugin: name, ...facts }, STRIKE_TEXTS[what]);
    if (!isPutOut) return;
    const { isSkipped } = plugin;
    logger.error({ plugin: name, strikes: strikesMax, isSkipped }, 'plugin is put out');
  }

  /** The plugin goes on, behind a wait for something of ours. */
  enter(row: number): void {
    this.parts.board.setRunning(row);
    this.markUntilTurnEnds();
  }

  /** What a plugin does after `await` runs in this turn, or in one that its own wait begins. */
  markUntilTurnEnds(): void {
    if (this.isMarked) return;
    this.isMarked = true;
    this.parts.clock.afterTurn(() => {
      this.isMarked = false;
      this.parts.board.setRunning(-1);
    });
  }

  private changeWaiting({ plugin }: PluginInstance, by: number): void {
    const { index: row } = plugin;
    const count = (this.waiting.get(row) ?? 0) + by;
    if (count === 0) this.waiting.delete(row);
    else this.waiting.set(row, count);
    const [only = -1, another] = this.waiting.keys();
    this.parts.board.setWaiting(another === undefined ? only : -1);
  }
}

export function isPromise<T>(value: T | Promise<T> | Failed): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
