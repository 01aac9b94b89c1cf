/**
 * POST /explain: what would happen to a request now, in the present state of the gateway.
 *
 * Thread: supervisor (on the main thread). The page needs no token: it changes nothing, and sends
 * nothing to anybody.
 */
import { type AdminHandler, adminProblem } from '../admin-handler.js';

/** Explains a request from the body's JSON; resolves with a text when the request is not valid. */
export type Explain = (request: unknown) => Promise<object | string>;

export function explainHandler(explain: Explain): AdminHandler {
  return {
    method: 'POST',
    path: '/explain',
    needsToken: false,
    answer: async ({ body }) => {
      const explained = await explain(parse(body));
      if (typeof explained === 'string') return adminProblem(400, 'Bad Request', explained);
      return { status: 200, body: explained };
    },
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
