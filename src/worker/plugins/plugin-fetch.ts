/**
 * Requests that a plugin itself makes: few at a time, and none that is long or large.
 *
 * Thread: worker. Each plugin has connections of its own. Redirects are not followed: a plugin that
 * wants that says where to.
 */
import type { Agent } from 'undici';
import type { PluginFetch, PluginFetchOptions, PluginFetchReply } from '../../plugins/plugin.js';

/** At a time, of one plugin in one worker. */
const OPEN_MAX = 64;
const TIMEOUT_MS = 5000;
const TIMEOUT_MS_MAX = 60_000;
const BYTES = 1024 * 1024;
const BYTES_MAX = 64 * 1024 * 1024;

export class PluginFetcher {
  private agent: Agent | null = null;
  private open = 0;

  /** `enter`: what goes on then is work of the plugin. */
  constructor(private readonly enter: () => void) {}

  readonly fetch: PluginFetch = async (url, options = {}) => {
    if (this.open >= OPEN_MAX) throw new Error(`more than ${OPEN_MAX} requests at a time`);
    this.open += 1;
    try {
      return await this.send(new URL(url), options);
    } finally {
      this.open -= 1;
      this.enter();
    }
  };

  private async send(url: URL, options: PluginFetchOptions): Promise<PluginFetchReply> {
    const { method = 'GET', headers = {}, body, timeout = TIMEOUT_MS, bytes = BYTES } = options;
    if (!['http:', 'https:'].includes(url.protocol)) throw new TypeError('a URL of http or https');
    // Loaded for plugins that use it only.
    const undici = await import('undici');
    this.agent ??= new undici.Agent({ connections: OPEN_MAX, pipelining: 1 });
    const reply = await undici.request(url, {
      dispatcher: this.agent,
      method,
      headers,
      ...(body !== undefined && { body }),
      signal: AbortSignal.timeout(Math.min(timeout, TIMEOUT_MS_MAX)),
    });
    const whole = await collect(reply.body, Math.min(bytes, BYTES_MAX));
    const text = (): string => whole.toString('utf8');
    return {
      status: reply.statusCode,
      headers: reply.headers,
      body: whole,
      text,
      json: () => JSON.parse(text()) as unknown,
    };
  }

  close(): Promise<void> {
    return this.agent === null ? Promise.resolve() : this.agent.destroy();
  }
}

interface Body extends AsyncIterable<Buffer> {
  destroy(): unknown;
}

async function collect(body: Body, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      body.destroy();
      throw new Error(`the reply is longer than ${bytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
