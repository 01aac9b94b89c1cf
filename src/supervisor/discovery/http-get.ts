/**
 * Asks a registry over HTTP, with limits on time and size that the registry has no say in.
 *
 * Thread: supervisor (on the main thread). Each question uses a new connection: a connection that
 * is kept may have been dead for long. Redirects are not followed, since they may lead from a
 * trusted place to one that is not, and would take a token there.
 */
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface HttpQuestion {
  readonly url: string;
  /** Default: GET. */
  readonly method?: 'GET' | 'POST' | 'PATCH';
  /** Default: none. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Until the whole answer is there; of a stream until its head is there. */
  readonly timeoutMs: number;
  /** PEM; absent: the authorities that Node.js knows. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Nobody wants the answer any more. */
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** Rejects with an Error whose message holds no secret. */
export async function getText(question: HttpQuestion): Promise<HttpAnswer> {
  const late = AbortSignal.timeout(question.timeoutMs);
  const response = await send(question, AbortSignal.any([question.signal, late]));
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) throw new Error('the answer is too long');
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks).toString('utf8');
    return { status: response.statusCode ?? 0, headers: response.headers, body };
  } catch (error) {
    // What a reader of the body is told depends on the version of Node.js.
    throw late.aborted ? tooLate(question) : plainError(error, question);
  } finally {
    response.destroy();
  }
}

/** Resolves with the head; the body is read by whoever asked, who also limits its time. */
export async function openStream(question: HttpQuestion): Promise<IncomingMessage> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error('late')), question.timeoutMs);
  try {
    return await send(question, question.signal, late.signal);
  } finally {
    clearTimeout(timer);
  }
}

function send(
  question: HttpQuestion,
  signal: AbortSignal,
  headSignal?: AbortSignal,
): Promise<IncomingMessage> {
  const { url, method = 'GET', body, headers, ca, cert, key } = question;
  return new Promise((resolve, reject) => {
    const isTls = url.startsWith('https:');
    const options = {
      agent: false,
      method,
      headers: { accept: 'application/json', 'user-agent': 'sluice', ...headers },
      signal,
      ...(isTls && ca !== undefined && { ca }),
      ...(isTls && cert !== undefined && { cert, key }),
    };
    const request = (isTls ? requestHttps : requestHttp)(new URL(url), options, (response) => {
      headSignal?.removeEventListener('abort', onLate);
      resolve(response);
    });
    const onLate = (): void => void request.destroy(new Error('late'));
    headSignal?.addEventListener('abort', onLate);
    request.on('error', (error) => reject(plainError(error, question)));
    request.end(body);
  });
}

/** Without addresses and paths, which Node's messages have in many forms. */
function plainError(error: unknown, question: HttpQuestion): Error {
  if (!(error instanceof Error)) return new Error('broken off');
  const { code } = error as Error & { readonly code?: string };
  const isLate = error.name === 'TimeoutError' || error.name === 'AbortError';
  if (isLate || error.message === 'late') return tooLate(question);
  if (code !== undefined) return new Error(code);
  return error.message === 'aborted' ? new Error('the answer was cut off') : error;
}

function tooLate({ timeoutMs }: HttpQuestion): Error {
  return new Error(`no answer within ${timeoutMs} ms`);
}
