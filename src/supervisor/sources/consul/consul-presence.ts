/**
 * A key in Consul that exists as long as its node renews a session.
 *
 * Thread: supervisor (on the main thread). Owns a session and a timer. Consul ends a session some
 * time behind its TTL, up to twice as long.
 */
import type { Clock, Timer } from '../../../base/clock.js';
import { StoreError } from '../../../base/store-errors.js';
import type { Presence } from '../config-store.js';
import { parseObject } from '../release-layout.js';
import { type ConsulClient, encodeKey } from './consul-client.js';

const TTL = '15s';
const RENEW_MS = 5000;

export class ConsulPresence implements Presence {
  private readonly renewing: Timer;
  private text = '';
  private session = '';
  private isWritten = true;
  private isStopped = false;
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly client: ConsulClient,
    private readonly key: string,
    clock: Pick<Clock, 'every'>,
  ) {
    this.renewing = clock.every(RENEW_MS, () => this.schedule(() => this.renew()));
  }

  tell(text: string): void {
    this.text = text;
    this.isWritten = false;
    this.schedule(() => this.write());
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.renewing.cancel();
    await this.work;
    if (this.session === '') return;
    // Where that fails the session ends by itself.
    await this.put(`/v1/session/destroy/${this.session}`).catch(() => {});
  }

  private schedule(step: () => Promise<void>): void {
    if (this.isStopped) return;
    this.work = this.work.then(step).catch(() => {
      // The store is away: the next turn of the timer tries again, with another session.
      this.session = '';
      this.isWritten = false;
    });
  }

  private async renew(): Promise<void> {
    if (this.session !== '') {
      const { status } = await this.put(`/v1/session/renew/${this.session}`);
      if (status !== 200) {
        this.session = '';
        this.isWritten = false;
      }
    }
    await this.write();
  }

  private async write(): Promise<void> {
    if (this.isWritten || this.text === '') return;
    const { text } = this;
    const isNew = this.session === '';
    this.session ||= await this.createSession();
    if (!(await this.acquire(text))) {
      // The session may have ended while the node was away. A new one that does not get the key
      // has met one of an earlier process of the same name, which ends by itself.
      if (isNew) throw new StoreError('the key is not ours');
      this.session = await this.createSession();
      if (!(await this.acquire(text))) throw new StoreError('the key is not ours');
    }
    this.isWritten = text === this.text;
  }

  private async acquire(text: string): Promise<boolean> {
    const path = `/v1/kv/${encodeKey(this.key)}?acquire=${this.session}`;
    const { status, text: answer } = await this.put(path, text);
    return status === 200 && answer.trim() === 'true';
  }

  private async createSession(): Promise<string> {
    const order = { Name: 'sluice', TTL, Behavior: 'delete', LockDelay: '0s' };
    const { status, text } = await this.put('/v1/session/create', JSON.stringify(order));
    const { ID: id } = parseObject(text);
    if (status !== 200 || typeof id !== 'string') throw new StoreError('no session');
    return encodeURIComponent(id);
  }

  private put(path: string, body = '') {
    return this.client.call({ method: 'PUT', path, body });
  }
}
