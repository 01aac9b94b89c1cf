/**
 * Chromium: a page, an upload, a stream of events.
 */
import type { ServerResponse } from 'node:http';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launchBrowser } from '../../support/browser.js';
import { ClientRig, DOORS, sha256 } from '../../support/client-rig.js';

const UPLOAD_BYTES = 5_000_000;

describe.each(DOORS)('a browser, %s', (door) => {
  let rig: ClientRig;
  let browser: Browser;

  beforeAll(async () => {
    rig = await ClientRig.start(door);
    // It reads nothing of the environment, and trusts this one key.
    const trust = `--ignore-certificate-errors-spki-list=${rig.files.keyHash}`;
    browser = await launchBrowser([trust]);
  });

  afterAll(async () => {
    await browser.close();
    await rig.stop();
  });

  beforeEach(() => rig.reset());

  /** Runs `script` in a page that came through the gateway. */
  async function inPage(script: string): Promise<unknown> {
    const echo = rig.upstream.script;
    rig.upstream.script = (request, response) => {
      if (request.url !== '/page') return echo(request, response);
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<!doctype html><title>page</title><script src="/script.js"></script>');
    };
    const page = await browser.newPage();
    try {
      await page.goto(`${rig.url}/page`);
      expect(await page.title()).toBe('page');
      return await page.evaluate(script);
    } finally {
      await page.close();
    }
  }

  describe('a browser', () => {
    it('loads a page and what belongs to it', async () => {
      const script = 'performance.getEntriesByType("navigation")[0].nextHopProtocol';
      expect(await inPage(script)).toBe(door === 'tls' ? 'h2' : 'http/1.1');
      const urls = rig.upstream.received.map(({ url }) => url);
      expect(urls).toContain('/script.js');
    });

    it('uploads, and sends characters that it leaves as they are', async () => {
      const found = await inPage(
        `fetch('/up?a=|^', { method: 'POST', body: new Uint8Array(${UPLOAD_BYTES}) })
        .then((reply) => reply.json())`,
      );
      const body = Buffer.alloc(UPLOAD_BYTES);
      expect(found).toMatchObject({ bytes: UPLOAD_BYTES, sha256: sha256(body) });
    });

    it('opens a stream of events before the first event', async () => {
      let stream: ServerResponse | null = null;
      const echo = rig.upstream.script;
      rig.upstream.script = (request, response) => {
        if (request.url === '/go') {
          stream?.write('data: first\n\n');
          response.end('{}');
        } else if (request.url === '/events') {
          stream = response;
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.flushHeaders();
        } else {
          echo(request, response);
        }
      };
      // The first event is sent only when the page says that the stream is open.
      const found = await inPage(
        `new Promise((resolve, reject) => {
        const events = new EventSource('/events');
        events.onopen = () => fetch('/go');
        events.onerror = () => reject(new Error('the stream has ended'));
        events.onmessage = ({ data }) => { events.close(); resolve(data); };
      })`,
      );
      expect(found).toBe('first');
    });
  });
});
