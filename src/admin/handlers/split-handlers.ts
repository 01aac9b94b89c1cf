/**
 * GET /split: how splits are rolled out. POST /split/ROUTE: holds, resumes, sets or takes back.
 *
 * Thread: supervisor (on the main thread). The body of an order is a JSON object with `action`, and
 * with `share` in percent where that is `set`.
 */
import {
  ORDER_BACK,
  ORDER_HOLD,
  ORDER_RESUME,
  ORDER_SET,
  type RolloutOrder,
  SHARE_ALL,
} from '../../base/rollout-words.js';
import type { CompiledRollout } from '../../config/compiled-split.js';
import { type AdminHandler, type AdminReply, adminProblem } from '../admin-handler.js';

const ORDERS: ReadonlyMap<unknown, RolloutOrder> = new Map([
  ['hold', ORDER_HOLD],
  ['resume', ORDER_RESUME],
  ['set', ORDER_SET],
  ['back', ORDER_BACK],
]);

const USAGE =
  'The body must be a JSON object with "action": "hold", "resume", "back", or "set" with "share" ' +
  'in percent from 0 to 100.';

const LATE =
  'No coordinator has answered in time. The order is kept: the next coordinator obeys it.';

export interface SplitDesk {
  rollouts(): readonly CompiledRollout[];
  /** How one stands, as /stats shows it. */
  rowOf(rollout: CompiledRollout): object;
  /** False: the order is kept, and nobody has obeyed it yet. `share` in ten-thousandths. */
  order(row: number, order: RolloutOrder, share: number): Promise<boolean>;
}

export function splitHandlers(desk: SplitDesk): AdminHandler[] {
  return [
    {
      method: 'GET',
      path: '/split',
      needsToken: false,
      answer: () => ({ status: 200, body: { splits: desk.rollouts().map(desk.rowOf) } }),
    },
    {
      method: 'POST',
      path: '/split/*',
      needsToken: true,
      answer: ({ rest, body }) => orderOne(desk, rest, body),
    },
  ];
}

async function orderOne(desk: SplitDesk, name: string, body: Buffer): Promise<AdminReply> {
  const rollouts = desk.rollouts();
  const rollout = rollouts.find(({ route }) => route === name);
  if (rollout === undefined) {
    const names = rollouts.map(({ route }) => route).join(', ') || 'none';
    const detail = `no route of this name has split.ramp or split.guard; those that have: ${names}`;
    return adminProblem(404, 'Not Found', detail);
  }
  const written = orderIn(body);
  if (written === null) return adminProblem(400, 'Bad Request', USAGE);
  const isDone = await desk.order(rollout.index, written.order, written.share);
  if (!isDone) return adminProblem(503, 'Service Unavailable', LATE);
  return { status: 200, body: desk.rowOf(rollout) };
}

function orderIn(body: Buffer): { readonly order: RolloutOrder; readonly share: number } | null {
  let said: unknown;
  try {
    said = JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
  if (typeof said !== 'object' || said === null || Array.isArray(said)) return null;
  const { action, share, ...others } = said as Record<string, unknown>;
  const order = ORDERS.get(action);
  if (order === undefined || Object.keys(others).length > 0) return null;
  if (order !== ORDER_SET) return share === undefined ? { order, share: 0 } : null;
  if (typeof share !== 'number' || !(share >= 0 && share <= 100)) return null;
  return { order, share: Math.round((share / 100) * SHARE_ALL) };
}
