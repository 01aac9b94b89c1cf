/**
 * A key in Consul that exists as long as its node renews a session.
 *
 * Thread: supervisor (on the main thread). Consul ends a session some time behind its TTL, up to
 * twice as long.
 */
import type { Clock } from '../../../base/clock.js';
import { StoreError } from '../../../base/store-errors.js';
import { HOLD_SECONDS, KeptPresence } from '../kept-presence.js';
import { parseObject } from '../release-layout.js';
import { type ConsulClient, encodeKey } from './consul-client.js';

/** A session is named by a part of a path. */
export class ConsulPresence extends KeptPresence<string> {
  constructor(
    private readonly client: ConsulClient,
    private readonly key: string,
    clock: Pick<Clock, 'every'>,
  ) {
    super(clock);
  }

  protected override async begin(): Promise<string> {
    const ttl = `${HOLD_SECONDS}s`;
    const order = { Name: 'sluice', TTL: ttl, Behavior: 'delete', LockDelay: '0s' };
    const { status, text } = await this.send('/v1/session/create', JSON.stringify(order));
    const { ID: id } = parseObject(text);
    if (status !== 200 || typeof id !== 'string') throw new StoreError('no session');
    return encodeURIComponent(id);
  }

  protected override async keepUp(session: string): Promise<boolean> {
    return (await this.send(`/v1/session/renew/${session}`)).status === 200;
  }

  protected override async put(session: string, text: string): Promise<boolean> {
    const path = `/v1/kv/${encodeKey(this.key)}?acquire=${session}`;
    const { status, text: answer } = await this.send(path, text);
    return status === 200 && answer.trim() === 'true';
  }

  protected override end(session: string): Promise<unknown> {
    return this.send(`/v1/session/destroy/${session}`);
  }

  private send(path: string, body = '') {
    return this.client.call({ method: 'PUT', path, body });
  }
}
