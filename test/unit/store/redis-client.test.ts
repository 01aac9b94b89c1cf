/**
 * A client of the store whose server is away.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { connected, createPatientClient } from '../../../src/store/redis-client.js';
import { FakeClock } from '../../support/fake-clock.js';

it('lets many commands wait for a connection, without a warning of Node.js', async () => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', onWarning);
  const addresses = [{ host: '127.0.0.1', port: 1 }];
  const store = { kind: 'single', addresses, username: '', password: '', tls: null, database: 0 };
  const client = createPatientClient(store as never);
  client.on('error', () => {});
  const clock = new FakeClock();
  const waits = Array.from({ length: 40 }, () => connected(client, clock));
  const ends = Promise.allSettled(waits);
  await turn();
  clock.advance(2000);
  expect((await ends).every(({ status }) => status === 'rejected')).toBe(true);
  client.disconnect();
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});
