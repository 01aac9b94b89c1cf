import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { IngressOutcome } from '../../../../src/config/kubernetes-settings.js';
import { ClusterWriter } from '../../../../src/supervisor/kubernetes/cluster-writer.js';
import { eventually } from '../../../support/eventually.js';
import { FakeClock } from '../../../support/fake-clock.js';

let server: Server;
let writer: ClusterWriter;

afterEach(() => {
  writer.stop();
  server.close();
});

function refused(reason: string): IngressOutcome {
  return {
    namespace: 'n',
    name: 'a',
    uid: 'u',
    reasons: [reason],
    state: 'refused',
    notes: [],
    routes: 0,
  };
}

describe('what is written into a cluster', () => {
  it('is the newest outcome, also when an older one could not be written', async () => {
    const messages: string[] = [];
    let status = 500;
    let answerFirst = (): void => {};
    const first = new Promise<void>((resolve) => {
      answerFirst = resolve;
    });
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      messages.push(JSON.parse(body).message);
      await first;
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const clock = new FakeClock();
    let retries = 0;
    const after = (ms: number, step: () => void) => {
      retries += 1;
      return clock.after(ms, step);
    };
    writer = new ClusterWriter({
      ...{ clock: { ...clock, after }, publish: [], log: () => {} },
      access: async () => ({ url: `http://127.0.0.1:${port}`, headers: {}, namespace: 'n' }),
    });
    // The second comes while the first is being written; both fail.
    writer.write([refused('old')], () => ({}));
    await eventually('the first is asked', () => messages.length === 1);
    writer.write([refused('new')], () => ({}));
    answerFirst();
    await eventually('both have failed', () => retries === 2);
    status = 201;
    clock.advance(15_000);
    await eventually('it is tried again', () => messages.length > 2);
    expect(messages).toEqual(['old', 'new', 'new']);
    expect(clock.timerCount).toBe(0);
  });
});
