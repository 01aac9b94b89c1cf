/**
 * POST /cache/purge: takes stored replies away, or makes them stale.
 *
 * Thread: supervisor (on the main thread). The body is a JSON object with one of `url`, `prefix`,
 * `route`, `group` and `all`, and `soft` besides.
 */
import { type AdminHandler, adminProblem } from '../admin-handler.js';

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

/** `purge`: how many replies it has purged. */
export function purgeHandler(purge: (order: PurgeOrder) => number): AdminHandler {
  return {
    method: 'POST',
    path: '/cache/purge',
    needsToken: true,
    answer: ({ body }) => {
      const order = orderOf(body);
      if (order === null) return adminProblem(400, 'Bad Request', USAGE);
      return { status: 200, body: { purged: purge(order) } };
    },
  };
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

function objectIn(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const said: unknown = JSON.parse(body.toString('utf8'));
    const isObject = typeof said === 'object' && said !== null && !Array.isArray(said);
    return isObject ? (said as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
