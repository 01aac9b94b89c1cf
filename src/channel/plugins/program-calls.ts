/**
 * What a worker asks of a plugin that the program itself has, on the main thread, and the answer.
 *
 * Thread: any (both ends). Plain data: a function of the program cannot cross to a worker, so its
 * calls do.
 */

import type { FieldBlock } from '../../base/field-block.js';

/** Hooks that can be asked for; selectTarget cannot be waited for. */
export const PROGRAM_HOOKS = [
  'onRequest',
  'authenticate',
  'onRequestBody',
  'onReplyBody',
  'onReply',
  'onFinish',
] as const;
export type ProgramHook = (typeof PROGRAM_HOOKS)[number];

/** A request as a hook sees it. */
export interface RequestFacts {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly host: string;
  readonly scheme: string;
  readonly clientIp: string;
  readonly requestId: string;
  readonly route: string;
  readonly consumer: string;
  readonly claims: Readonly<Record<string, unknown>> | null;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly target: string;
  /** As they came, in turn: names in lower case, and values. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** What plugins have changed; null: the field is gone. */
  readonly changed: readonly (readonly [name: string, value: string | null])[];
}

/** The head of a reply as a hook sees it. */
export interface ReplyFacts {
  readonly status: number;
  readonly fields: FieldBlock;
  readonly isLocal: boolean;
  readonly isBodiless: boolean;
}

/** `row`: of the plugin. */
export type ProgramAsk =
  /** Sets the plugin up, if nobody has yet. */
  | { readonly kind: 'open'; readonly id: number; readonly row: number }
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly row: number;
      readonly hook: ProgramHook;
      /** Of the worker: the calls of one request have the same number. */
      readonly exchange: number;
      readonly request: RequestFacts;
      readonly reply: ReplyFacts | null;
      /** A body, or how the exchange has ended. */
      readonly given: unknown;
    }
  /** The exchange is over: what its hooks told each other is not needed any more. */
  | { readonly kind: 'end'; readonly exchange: number };

export type ProgramAnswer =
  | { readonly kind: 'failed'; readonly id: number; readonly problem: string }
  | { readonly kind: 'opened'; readonly id: number; readonly hooks: readonly ProgramHook[] }
  | {
      readonly kind: 'done';
      readonly id: number;
      /** What the hook has returned. */
      readonly value: unknown;
      /** Work of its own up to its first wait. */
      readonly busyMs: number;
      readonly edits: readonly (readonly [name: string, value: string | null])[];
      readonly logged: readonly (readonly [name: string, value: string | number | boolean])[];
      readonly reply: Pick<ReplyFacts, 'status' | 'fields'> | null;
    };
