/**
 * What a plugin of the program says of itself, for the threads that load configurations.
 *
 * Thread: any (pure). Its object stays on the main thread; in a configuration it has a name in
 * place of a file. The description goes to other threads with the data that Node.js gives to all
 * that are started later. So a name that another process wrote into a file means nothing.
 */
import { getEnvironmentData, type Serializable, setEnvironmentData } from 'node:worker_threads';

/** As a module's default export would say it; any of it may be wrong. */
export interface ProgramDescription {
  readonly name: unknown;
  readonly counters: unknown;
  /** Schema of its options. */
  readonly options: unknown;
  readonly hasSetup: boolean;
}

/** Throws where it cannot cross to other threads. `null`: it is not needed any more. */
export function keepDescription(file: string, description: ProgramDescription | null): void {
  const text = description === null ? undefined : JSON.stringify(description);
  setEnvironmentData(file, text as Serializable);
}

/** The same as a module would have it; undefined: no plugin of this process has the name. */
export function describedIn(file: string): unknown {
  const text = getEnvironmentData(file);
  if (typeof text !== 'string') return undefined;
  const { hasSetup, ...plugin } = JSON.parse(text) as ProgramDescription;
  return { ...plugin, ...(hasSetup && { setup: () => ({}) }) };
}
