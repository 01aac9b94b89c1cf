/**
 * POST /cache/purge: takes stored replies away, or makes them stale.
 *
 * Thread: supervisor (on the main thread). The body is a JSON object with one of `url`, `prefix`,
 * `route`, `group` and `all`, and `soft` besides.
 */
import { type AdminHandler, type AdminReply, adminProblem, objectIn } from '../admin-handler.js';

/** What is purged; `url` and `prefix` with their scheme and host. */
export type PurgeKind = 'url' | 'prefix' | 'route' | 'group' | 'all';

export interface PurgeOrder {
  readonly kind: PurgeKind;
  /** '' for all. */
  readonly value: string;
  /** They stay, and are stale. */
  readonly isSoft: boolean;
}

const KINDS: readonly PurgeKind[] = ['url', 'prefix', 'route', 'group', 'all'];
const USAGE =
  'The body must be a JSON object with one of "url", "prefix", "route", "group" (texts) and ' +
  '"all" (true), and may have "soft" (true or false).';

/** What a purge has done, here and in the gateways that share the store. */
export interface PurgeOutcome {
  readonly purged: number;
  /** Absent: no store is shared. */
  readonly gateways?: {
    readonly acknowledged: readonly string[];
    readonly missing: readonly string[];
    /** Why nobody could be told; '': they were. */
    readonly trouble: string;
  };
}

/** 200: it is in effect in all gateways. 202: in some it is not yet, and the reply says which. */
export function purgeHandler(purge: (order: PurgeOrder) => Promise<PurgeOutcome>): AdminHandler {
  return {
    method: 'POST',
    path: '/cache/purge',
    needsToken: true,
    answer: async ({ body }) => {
      const order = orderOf(body);
      if (order === null) return adminProblem(400, 'Bad Request', USAGE);
      return replyTo(await purge(order));
    },
  };
}

function replyTo({ purged, gateways }: PurgeOutcome): AdminReply {
  if (gateways === undefined) return { status: 200, body: { purged } };
  const { acknowledged, missing, trouble } = gateways;
  const isDone = missing.length === 0 && trouble === '';
  return { status: isDone ? 200 : 202, body: { purged, acknowledged, missing, trouble } };
}

function orderOf(body: Buffer): PurgeOrder | null {
  const said = objectIn(body);
  if (said === null) return null;
  const { soft = false, ...rest } = said;
  const [entry, another] = Object.entries(rest);
  if (entry === undefined || another !== undefined || typeof soft !== 'boolean') return null;
  const kind = KINDS.find((one) => one === entry[0]);
  const [, value] = entry;
  if (kind === undefined) return null;
  if (kind === 'all') return value === true ? { kind, value: '', isSoft: soft } : null;
  return typeof value === 'string' && value !== '' ? { kind, value, isSoft: soft } : null;
}
