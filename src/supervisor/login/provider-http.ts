/**
 * How OpenID providers are asked over HTTP: with limits on time, size and number, and without
 * redirects.
 *
 * Thread: supervisor (on the main thread). Owns a few kept-alive connections.
 */
import { Agent, fetch as fetchBy } from 'undici';

const CONNECTIONS_MAX = 16;
const CALLS_MAX = 256;
const ANSWER_BYTES_MAX = 512 * 1024;
/** Statuses of replies that have no body. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** What the library of the protocol asks with. */
export interface ProviderCall {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

export class ProviderHttp {
  private readonly agent = new Agent({
    connections: CONNECTIONS_MAX,
    maxResponseSize: ANSWER_BYTES_MAX,
  });
  private calls = 0;

  constructor(private readonly timeoutMs: number) {}

  /** Resolves with the whole answer, or rejects: within the time-out. */
  async fetch(url: string, { method, headers, body, signal }: ProviderCall): Promise<Response> {
    if (this.calls >= CALLS_MAX) throw new Error('too many calls of the provider are under way');
    this.calls++;
    try {
      const timeout = AbortSignal.timeout(this.timeoutMs);
      const answer = await fetchBy(url, {
        method,
        headers: { ...headers, 'user-agent': 'sluice' },
        ...(body !== undefined && { body: String(body) }),
        redirect: 'manual',
        dispatcher: this.agent,
        signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      });
      const bytes = await answer.arrayBuffer();
      const { status } = answer;
      const own = WITHOUT_BODY.has(status) ? null : bytes;
      return new Response(own, { status, headers: [...answer.headers] });
    } finally {
      this.calls--;
    }
  }

  close(): Promise<void> {
    return this.agent.destroy();
  }
}
