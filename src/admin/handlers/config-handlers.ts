/**
 * GET /config: the configuration in force, secrets masked. POST /reload and POST /rollback: bring
 * another configuration into force, or say why not (409).
 *
 * Thread: supervisor (on the main thread). Decides nothing: the supervisor's reloader does.
 */
import { type AdminHandler, type AdminReply, adminProblem } from '../admin-handler.js';

/** The result of a change, as far as the reply shows it. */
export type ChangeOutcome =
  | { readonly outcome: 'applied'; readonly epoch: number; readonly changes: readonly string[] }
  | { readonly outcome: 'refused'; readonly reasons: readonly string[] }
  /** Some workers use it; what comes of that is told later. */
  | { readonly outcome: 'onTrial'; readonly epoch: number; readonly endsInMs: number };

export interface ConfigControl {
  /** The configuration as it was written, secrets masked, in JSON. */
  shown(): { readonly epoch: number; readonly config: string };
  reload(): Promise<ChangeOutcome>;
  rollback(): Promise<ChangeOutcome>;
}

export function configHandlers(control: ConfigControl): AdminHandler[] {
  const change = (path: string, run: () => Promise<ChangeOutcome>): AdminHandler => ({
    method: 'POST',
    path,
    needsToken: true,
    answer: async () => replyTo(await run()),
  });
  return [
    {
      method: 'GET',
      path: '/config',
      needsToken: false,
      answer: () => {
        const { epoch, config } = control.shown();
        // The text was made when the configuration was loaded: it may be megabytes.
        return { status: 200, body: `{\n"epoch": ${epoch},\n"config": ${config}\n}\n` };
      },
    },
    change('/reload', () => control.reload()),
    change('/rollback', () => control.rollback()),
  ];
}

function replyTo(outcome: ChangeOutcome): AdminReply {
  if (outcome.outcome === 'applied') {
    return { status: 200, body: { epoch: outcome.epoch, changes: outcome.changes } };
  }
  if (outcome.outcome === 'onTrial') {
    const { epoch, endsInMs } = outcome;
    return { status: 202, body: { epoch, endsInMs } };
  }
  const { reasons } = outcome;
  const problem = adminProblem(409, 'Configuration refused', reasons.join('\n'));
  return { ...problem, body: { ...(problem.body as object), reasons } };
}
