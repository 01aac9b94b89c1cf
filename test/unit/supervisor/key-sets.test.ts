/**
 * Key sets over a change of the configuration, from a server of this process.
 */
import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { KeySetNotice } from '../../../src/channel/identity-messages.js';
import type { CompiledAuthenticator } from '../../../src/filters/authentication/options.js';
import { KeySets } from '../../../src/supervisor/key-sets/key-sets.js';
import { eventually } from '../../support/eventually.js';
import { recordingLogger } from '../../support/recording-logger.js';

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const KEYS = [{ ...publicKey.export({ format: 'jwk' }), kid: 'one' }];
let server: Server;
let isAway = false;

beforeAll(async () => {
  server = createServer((_request, response) => {
    response.writeHead(isAway ? 503 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ keys: KEYS }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(() => void server.close());

function anAuthenticator(path: string, cacheMs: number): CompiledAuthenticator {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const keySource = { id: url, kind: 'jwks', url, cacheMs, cooldownMs: 1000, allowHttp: true };
  return { type: 'jwt', keySource } as unknown as CompiledAuthenticator;
}

it('keeps the keys of an address whose rules change, until newer ones come', async () => {
  const told: KeySetNotice[] = [];
  const sets = new KeySets({
    ...{ logger: recordingLogger(), nowMs: () => performance.now() },
    ...{ broadcast: (notice) => void told.push(notice), reply: () => {} },
  });
  sets.adopt([anAuthenticator('/a', 60_000)]);
  await eventually('the keys are here', () => told.length === 1);
  isAway = true;
  sets.adopt([anAuthenticator('/a', 90_000)]);
  await eventually('the server has failed', () => told.length === 2);
  expect(told[1]?.keys).toEqual(told[0]?.keys);
  expect(sets.notices).toMatchObject([{ version: told[0]?.version, keys: [{ kid: 'one' }] }]);
  sets.adopt([anAuthenticator('/b', 90_000)]);
  await eventually('another address has failed', () => told.length === 3);
  expect(sets.notices).toMatchObject([{ version: 0, keys: [] }]);
  sets.stop();
});
