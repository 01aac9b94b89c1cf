/**
 * Fetches one JSON document over HTTP, with a limit on time and size.
 *
 * Thread: supervisor (on the main thread). Each fetch uses a new connection, since fetches are
 * rare. Redirects are not followed, since they may lead from a trusted place to one that is not.
 */
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

const TIMEOUT_MS = 5000;
const DOCUMENT_BYTES_MAX = 512 * 1024;

/** Rejects with an Error whose message holds no secret. */
export function fetchJson(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? requestHttps : requestHttp;
    const options = {
      agent: false,
      headers: { accept: 'application/json', 'user-agent': 'sluice', connection: 'close' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    };
    const fail = (error: Error & { readonly code?: string }): void => {
      const isLate = error.name === 'TimeoutError' || error.name === 'AbortError';
      reject(
        new Error(isLate ? `no answer within ${TIMEOUT_MS} ms` : (error.code ?? 'broken off')),
      );
    };
    const request = send(new URL(url), options, (response) => {
      if (response.statusCode !== 200) {
        request.destroy();
        reject(new Error(`status ${response.statusCode} instead of 200`));
        return;
      }
      readJson(response, DOCUMENT_BYTES_MAX)
        .then(resolve, reject)
        .finally(() => request.destroy());
    });
    request.on('error', fail);
    request.end();
  });
}

async function readJson(response: IncomingMessage, bytesMax: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) break;
      chunks.push(chunk);
    }
  } catch {
    throw new Error('the answer was cut off');
  }
  if (bytes > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Error('the answer is not JSON');
  }
}
