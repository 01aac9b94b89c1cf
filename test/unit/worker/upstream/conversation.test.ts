/**
 * Whose body may come at any pace, through a whole worker.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  PROTOCOL_HTTP_1_1,
  PROTOCOL_HTTP_2,
} from '../../../../src/channel/records/request-head.js';
import { type RigRequest, WorkerRig } from '../../../support/worker-rig.js';

let rig: WorkerRig;

beforeAll(async () => {
  rig = await WorkerRig.create({
    authenticators: {
      keys: { type: 'apiKey', header: 'x-key', keys: [{ id: 'a', sha256: '0'.repeat(64) }] },
    },
    upstreams: {
      api: { targets: [{ url: 'http://127.0.0.1:8001' }] },
      calls: { targets: [{ url: 'http://127.0.0.1:8002' }], protocol: 'h2c' },
    },
    routes: [
      { name: 'calls', match: { grpc: { service: 'a.B' } }, upstream: 'calls' },
      { name: 'bounded', match: { path: '/bounded' }, upstream: 'calls', grpc: {} },
      {
        ...{ name: 'mine', match: { path: '/mine' }, upstream: 'calls', grpc: {} },
        authenticate: ['keys'],
      },
      { name: 'any', match: { path: '/any' }, upstream: 'calls' },
      { name: 'pages', match: { path: '/*' }, upstream: 'api' },
    ],
  });
});

afterAll(async () => {
  await rig.close();
  expect(rig.errors).toEqual([]);
});

function isConversation(path: string, wish: RigRequest = {}): boolean {
  const fields = ['content-type', 'application/grpc+proto'];
  const call = { method: 'POST', path, fields, bodyBytes: -1, protocol: PROTOCOL_HTTP_2 };
  const client = rig.request({ ...call, ...wish });
  client.leave();
  rig.settle();
  return client.isConversation;
}

describe('a body is one side of a conversation', () => {
  it.each(['/a.B/Chat', '/bounded', '/any'])('where calls are expected: %s', (path) => {
    expect(isConversation(path)).toBe(true);
  });

  it.each<[string, string, RigRequest]>([
    ['of another route, whatever its type says', '/a', {}],
    ['of nobody that may call', '/mine', {}],
    ['of another type', '/bounded', { fields: ['content-type', 'text/plain'] }],
    ['with a length', '/bounded', { bodyBytes: 100_000 }],
    ['over HTTP/1.1', '/bounded', { protocol: PROTOCOL_HTTP_1_1 }],
  ])('but not %s', (_what, path, wish) => {
    expect(isConversation(path, wish)).toBe(false);
  });
});
