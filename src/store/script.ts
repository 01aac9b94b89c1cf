/**
 * A script that the store runs by its hash.
 *
 * Thread: store. A server that does not know the hash has run nothing, so the text is sent then: a
 * script never runs twice for one call.
 */
import { createHash } from 'node:crypto';
import type { StoreClient } from './redis-client.js';

export class Script {
  private readonly hash: string;

  constructor(private readonly text: string) {
    this.hash = createHash('sha1').update(text).digest('hex');
  }

  async run(
    client: StoreClient,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await client.evalsha(this.hash, keys.length, ...keys, ...values);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return await client.eval(this.text, keys.length, ...keys, ...values);
    }
  }
}
