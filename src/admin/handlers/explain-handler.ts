/**
 * POST /explain: what would become of a request now, with the state that the gateway is in.
 *
 * Thread: acceptor. Needs no token: it changes nothing, and sends nothing to anybody.
 */
import { type AdminHandler, adminProblem } from '../admin-handler.js';

/** The explanation of a request as it came, or what is wrong with the request. */
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
