/**
 * Questions over HTTP whose server does what it should not.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  getText,
  type HttpQuestion,
  openStream,
} from '../../../../src/supervisor/discovery/http-get.js';

let server: Server | null = null;

afterEach(async () => {
  const stopped = server;
  server = null;
  if (stopped === null) return;
  stopped.closeAllConnections();
  await new Promise((resolve) => stopped.close(resolve));
});

async function play(listener: RequestListener, timeoutMs = 5_000): Promise<HttpQuestion> {
  const listening = createServer(listener);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  const { signal } = new AbortController();
  return { url: `http://127.0.0.1:${port}/`, timeoutMs, signal };
}

describe('a question over HTTP', () => {
  it('has its whole answer', async () => {
    const question = await play((_, response) => response.writeHead(201).end('ü'.repeat(100_000)));
    const { status, body } = await getText(question);
    expect([status, body.length]).toEqual([201, 100_000]);
  });

  it('is given up when no head comes, whoever reads the body', async () => {
    const question = await play(() => {}, 50);
    await expect(getText(question)).rejects.toThrow('no answer within 50 ms');
    await expect(openStream(question)).rejects.toThrow('no answer within 50 ms');
  });

  it('is given up when the body never ends', async () => {
    const question = await play((_, response) => response.write('['), 50);
    await expect(getText(question)).rejects.toThrow('no answer within 50 ms');
  });

  it('is given up when the answer is too long', async () => {
    const question = await play((_, response) => {
      const more = (): void => {
        if (response.write('x'.repeat(65_536))) setImmediate(more);
        else response.once('drain', more);
      };
      more();
    });
    await expect(getText(question)).rejects.toThrow('the answer is too long');
  });

  it('fails when the answer is cut off', async () => {
    const question = await play((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('[', () => response.destroy());
    });
    await expect(getText(question)).rejects.toThrow(/cut off|ECONNRESET/);
  });

  it('follows no redirect', async () => {
    const asked: string[] = [];
    const question = await play((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(302, { location: '/other' }).end();
    });
    expect((await getText(question)).status).toBe(302);
    expect(asked).toEqual(['/']);
  });

  it('that nobody wants any more ends', async () => {
    const ended = new AbortController();
    const question = await play(() => ended.abort());
    await expect(getText({ ...question, signal: ended.signal })).rejects.toThrow();
  });
});
