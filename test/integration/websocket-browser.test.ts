/** Pages in Chromium that open WebSockets: over HTTP/1.1, and over HTTP/2 with TLS. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { launchBrowser } from '../support/browser.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { makeCertificate } from '../support/test-certificate.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-pages-'));
let browser: Browser;
let echo: WebSocketServer;
const protocols: string[] = [];

beforeAll(async () => {
  const { cert, key } = makeCertificate();
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  browser = await launchBrowser();
  echo = new WebSocketServer({ port: 0, handleProtocols: () => 'chat' });
  echo.on('connection', (socket, request) => {
    protocols.push(String(request.headers.via));
    socket.on('message', (data: Buffer, binary: boolean) => socket.send(data, { binary }));
  });
});

afterAll(async () => {
  await browser.close();
  for (const socket of echo.clients) socket.terminate();
  echo.close();
  rmSync(folder, { recursive: true });
});

/** What a page sees of a socket to its own host. */
async function seenBy(url: string): Promise<unknown> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  try {
    const page = await context.newPage();
    await page.goto(`${url}/page`);
    return await page.evaluate(
      () =>
        new Promise((resolve) => {
          const seen: string[] = [];
          const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/echo`, ['chat']);
          socket.onopen = () => {
            seen.push(`open ${socket.protocol}`);
            socket.send('hello');
            socket.send('x'.repeat(100_000));
          };
          socket.onmessage = ({ data }: MessageEvent<string>) => {
            seen.push(`${data.slice(0, 5)} ${data.length}`);
            if (data.length > 5) socket.close(4001, 'bye');
          };
          socket.onclose = ({ code, reason, wasClean }) =>
            resolve([...seen, `${code} ${reason} ${wasClean}`]);
        }),
    );
  } finally {
    await context.close();
  }
}

it.each([
  ['HTTP/1.1', false, '1.1 sluice'],
  ['HTTP/2', true, '2 sluice'],
])('over %s', async (_, isSecure, via) => {
  const certificates = [{ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }];
  const gateway = await InProcessGateway.start({
    listen: { port: 0, engine: 'wire', ...(isSecure && { tls: { certificates } }) },
    via: 'requests',
    upstreams: { echo: { targets: [{ url: `http://127.0.0.1:${echo.address().port}` }] } },
    routes: [
      { name: 'page', match: { path: '/page' }, respond: { body: '<p>page</p>' } },
      { name: 'echo', match: { path: '/echo' }, upstream: 'echo' },
    ],
  });
  try {
    const url = `${isSecure ? 'https' : 'http'}://localhost:${gateway.port}`;
    expect(await seenBy(url)).toEqual(['open chat', 'hello 5', 'xxxxx 100000', '4001 bye true']);
    expect(protocols.at(-1)).toBe(via);
  } finally {
    await gateway.stop();
  }
});
