/**
 * Which bodies of a route its access records show.
 *
 * Thread: any (pure). Types only. A part of compiled-config.ts.
 */

export interface CompiledLogBodies {
  readonly request: boolean;
  readonly reply: boolean;
  /** The keys of each pointer; `*` stands for every one. */
  readonly masks: readonly (readonly string[])[];
}
