/**
 * Runs commands of the main thread: sessions, keys, and what gateways tell each other.
 *
 * Thread: store. Owns a connection of its own, made at the first command: these commands may wait
 * longer than limits do, and one that fails says nothing about limits.
 *
 * Invariant: a command is written at most once.
 */
import type { Clock } from '../base/clock.js';
import type { StoreOrder, StoreReport, StoreValue } from '../channel/store/store-messages.js';
import { connected, leaveReplica, RECONNECT_MS, type StoreClient } from './redis-client.js';

export interface StoreCommandsParts {
  readonly clock: Clock;
  createClient(): StoreClient;
  /** False: the store is known to be lost, and nothing is tried. */
  isUp(): boolean;
  report(report: StoreReport): void;
  count(name: 'commands' | 'commandFailures'): void;
}

export class StoreCommands {
  private client: StoreClient | null = null;
  private isStopping = false;

  constructor(private readonly parts: StoreCommandsParts) {}

  /** Reports what comes of it. */
  onRun({ id, command }: Extract<StoreOrder, { type: 'run' }>): void {
    const { count, isUp, report } = this.parts;
    if (!isUp()) {
      report({ type: 'failed', id, reason: 'the store is lost' });
      return;
    }
    count('commands');
    this.run(command).then(
      (value) => report({ type: 'ran', id, value }),
      (error: Error) => {
        count('commandFailures');
        if (this.client !== null) leaveReplica(this.client, error);
        report({ type: 'failed', id, reason: error.message });
      },
    );
  }

  stop(): void {
    this.isStopping = true;
    this.client?.disconnect();
  }

  private async run(command: readonly (string | number)[]): Promise<StoreValue> {
    this.client ??= this.connect();
    const { client } = this;
    await connected(client, this.parts.clock);
    const [name = '', ...values] = command;
    return (await client.call(String(name), ...values)) as StoreValue;
  }

  private connect(): StoreClient {
    const { clock, createClient } = this.parts;
    const client = createClient();
    // Errors of the connection are seen by the command that fails for them.
    client.on('error', () => {});
    client.on('end', () => {
      // ioredis has given up, as it does where a Sentinel names another server meanwhile.
      if (this.isStopping) return;
      clock.after(RECONNECT_MS, () => {
        // Where it fails again it ends again.
        if (!this.isStopping) client.connect().catch(() => {});
      });
    });
    return client;
  }
}
