/**
 * POST /replay: what the configuration in the body would have done with the last requests. GET
 * /replay: the records of these requests, a line each, as `sluice replay` reads them.
 *
 * Thread: supervisor (on the main thread). Both need the token: records say who asked for what.
 */
import { type AdminHandler, type AdminReply, adminProblem } from '../admin-handler.js';

/** A whole configuration, as large as a store takes one. */
const BODY_BYTES_MAX = 512 * 1024;
const MINUTES = /^[1-9]\d{0,4}$/;
const MINUTE_MS = 60_000;

export type ReplayOutcome =
  | { readonly outcome: 'replayed'; readonly result: object }
  | { readonly outcome: 'refused'; readonly reasons: readonly string[] };

export interface ReplayControl {
  /** Whether records are kept. */
  readonly isOn: boolean;
  /**
   * Replays requests that began at most so long ago under a configuration in YAML or JSON. null:
   * another replay runs.
   */
  replay(document: string, agoMs: number): Promise<ReplayOutcome | null>;
  /** One record a line. */
  records(): string;
}

export function replayHandlers(control: ReplayControl): AdminHandler[] {
  const common = { path: '/replay', needsToken: true };
  return [
    {
      ...common,
      method: 'GET',
      answer: () =>
        control.isOn
          ? { status: 200, body: control.records(), contentType: 'application/x-ndjson' }
          : OFF,
    },
    {
      ...common,
      method: 'POST',
      bodyBytesMax: BODY_BYTES_MAX,
      answer: async ({ query, body }) => {
        if (!control.isOn) return OFF;
        const minutes = query.get('minutes');
        if (minutes !== null && !MINUTES.test(minutes)) {
          return adminProblem(400, 'Bad Request', 'minutes is a number from 1 to 99999');
        }
        if (body.byteLength === 0) {
          return adminProblem(400, 'Bad Request', 'the body is a configuration in YAML or JSON');
        }
        const agoMs = minutes === null ? Number.POSITIVE_INFINITY : Number(minutes) * MINUTE_MS;
        return replyTo(await control.replay(body.toString('utf8'), agoMs));
      },
    },
  ];
}

const OFF = adminProblem(
  404,
  'Not Found',
  'no records are kept: admin.replay in the configuration turns that on',
);

function replyTo(outcome: ReplayOutcome | null): AdminReply {
  if (outcome === null) {
    return adminProblem(429, 'Too Many Requests', 'another replay runs', [['Retry-After', '5']]);
  }
  if (outcome.outcome === 'replayed') return { status: 200, body: outcome.result };
  const { reasons } = outcome;
  const problem = adminProblem(422, 'Configuration refused', reasons.join('\n'));
  return { ...problem, body: { ...(problem.body as object), reasons } };
}
