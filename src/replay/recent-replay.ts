/**
 * Replays the last requests of a running gateway, whose records its threads have kept.
 *
 * Thread: loader. A replay takes a core for seconds: it runs beside the threads that serve.
 */
import { ConfigError } from '../config/check/config-error.js';
import { compileConfig } from '../config/compile/compile-config.js';
import type { MachineLimits } from '../config/machine-limits.js';
import { shareConfig } from '../config/shared/share-config.js';
import type { SharedConfig } from '../config/shared/shared-config.js';
import { loadConfigText, type TextOptions } from '../config/source/load-config.js';
import { type KeptRecords, recordsOf } from './kept-records.js';
import { Replayer, type ReplayResult } from './replayer.js';

export interface RecentReplayOrder extends KeptRecords {
  /** The configuration that is asked about; it may name files beside that in force. */
  readonly asked: TextOptions & { readonly text: string; readonly machine: MachineLimits };
  /** In force. */
  readonly against: SharedConfig;
  /** Requests that began earlier are left out, in ms since 1970. */
  readonly sinceUnixMs: number;
}

export type RecentReplayReport =
  | { readonly outcome: 'replayed'; readonly result: ReplayResult }
  | { readonly outcome: 'refused'; readonly reasons: readonly string[] };

/** For requests that came without a host. */
const HOST = 'localhost';

/** Throws only what is a mistake of our own. */
export async function replayRecent(order: RecentReplayOrder): Promise<RecentReplayReport> {
  const { asked, against, sinceUnixMs } = order;
  let config: SharedConfig;
  try {
    const { text, machine } = asked;
    config = shareConfig(compileConfig(loadConfigText(text, asked), { machine }));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { outcome: 'refused', reasons: error.message.split('\n') };
  }
  const replayer = await Replayer.create({ config, against, host: HOST, sinceUnixMs });
  for (const line of recordsOf(order)) replayer.take(line);
  return { outcome: 'replayed', result: replayer.finish() };
}
