/**
 * What a worker asks about the stores of plugins, and the answer.
 *
 * Thread: any (both ends). Plain data. The main thread keeps the stores, one for each name of a
 * plugin: all workers see the same, and no worker's death loses anything.
 */

/** A value of a store is a text. `lifeMs`: 0: it does not end by itself. */
export type StoreOperation =
  | { readonly kind: 'get' | 'delete'; readonly key: string }
  | { readonly kind: 'set'; readonly key: string; readonly value: string; readonly lifeMs: number }
  | {
      readonly kind: 'increment';
      readonly key: string;
      readonly by: number;
      readonly lifeMs: number;
    }
  | {
      readonly kind: 'compareAndSet';
      readonly key: string;
      /** null: there must be no value. */
      readonly expected: string | null;
      readonly value: string;
      readonly lifeMs: number;
    };

export interface StoreAsk {
  /** Of the worker: the answer has the same. */
  readonly id: number;
  readonly plugin: string;
  readonly operation: StoreOperation;
}

export type StoreAnswer =
  | { readonly id: number; readonly value: string | number | boolean | null }
  | { readonly id: number; readonly problem: string };
