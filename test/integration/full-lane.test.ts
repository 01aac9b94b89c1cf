/**
 * More reply bytes at once than the lane holds: targets wait, nothing is lost and nothing mixed up.
 */
import { Agent, get, type IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { LANE_RING_BYTES } from '../../src/channel/lane.js';
import { readBulk, writeBulk } from '../support/bulk-body.js';
import { aConfig } from '../support/configs.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const CLIENTS = 48;
const REPLY_BYTES = 700_001;

it('brings every reply whole to its own client when the lane is full all the time', async () => {
  expect(CLIENTS * REPLY_BYTES).toBeGreaterThan(4 * LANE_RING_BYTES);
  const sent = new Map<string, string>();
  const upstream = await FakeUpstream.start();
  upstream.script = async (request, response) => {
    const path = request.url ?? '';
    const isChunked = path.endsWith('0');
    response.writeHead(200, isChunked ? {} : { 'content-length': REPLY_BYTES });
    sent.set(path, await writeBulk(response, REPLY_BYTES));
    response.end();
  };
  const gateway = await GatewayProcess.start(aConfig([upstream.url], { top: { workers: 1 } }));
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const download = async (path: string): Promise<void> => {
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${gateway.url}${path}`, { agent }, resolve).on('error', reject);
    });
    const { bytes, sha256 } = await readBulk(reply);
    expect(bytes).toBe(REPLY_BYTES);
    expect(sha256).toBe(sent.get(path));
  };
  try {
    for (let round = 0; round < 3; round++) {
      const paths = Array.from({ length: CLIENTS }, (_, client) => `/large/${round}/${client}`);
      await Promise.all(paths.map(download));
    }
    expect(sent.size).toBe(3 * CLIENTS);
    expect(new Set(sent.values()).size).toBe(3 * CLIENTS);
  } finally {
    agent.destroy();
    await gateway.stop();
    await upstream.close();
  }
});
