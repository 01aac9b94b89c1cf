/**
 * Our connections and those of nghttp2 (node:http2), asked the same by seeded clients. Of what the
 * RFC allows both must make the same. What nghttp2 ends for a mistake, ours must not take either.
 * SLUICE_TEST_LONG=1 plays many more.
 */
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field } from '../../../../src/base/field-block.js';
import { linesOf } from '../../../../src/wire/http2/reply-block.js';
import { ServerConnection } from '../../../../src/wire/http2/server-connection.js';
import type { ServerStream } from '../../../../src/wire/http2/server-stream.js';
import { playSeedsInTurn, SimRandom } from '../../../simulation/seeds.js';
import { Http2Client } from '../../../support/http2-client.js';
import { frame } from '../../../support/http2-frames.js';
import { piecesOf, scriptOf, withMistake } from '../../../support/http2-scripts.js';
import { IS_LONG } from '../../../support/long-form.js';
import { RULES } from '../../../support/request-outcome.js';

const SCRIPTS = IS_LONG ? 6000 : 150;
const TIMEOUT_MS = IS_LONG ? 3_600_000 : 60_000;
const STREAMS_MAX = 5;
const LAST_PING = 'the last';
const WAIT_MS = 20_000;
/** A mistake may leave a connection waiting for more of a frame. */
const STUCK_MS = 150;

const servers: Server[] = [];
const ports = { ours: 0, theirs: 0 };

/** What both servers answer with. */
function replyOf(method: string, path: string, body: Buffer): string {
  const sum = body.reduce((all, byte) => (all * 31 + byte) % 1_000_003, 7);
  return `${method} ${path} ${body.length} ${sum}`;
}

function ourServer(): Server {
  return createServer({ noDelay: true }, (socket) => {
    const bodies = new Map<ServerStream, [head: string[], body: Buffer[]]>();
    const answer = (stream: ServerStream): void => {
      const [[method = '', path = ''], body] = bodies.get(stream) ?? [[], []];
      bodies.delete(stream);
      connection.sendHead(stream, 200, linesOf(field('x', 'y')), method === 'HEAD');
      if (method === 'HEAD') return;
      connection.sendData(stream, Buffer.from(replyOf(method, path, Buffer.concat(body))), true);
    };
    const connection: ServerConnection = new ServerConnection(
      { streamsMax: 100, streamWindowBytes: 65_535, windowBytes: 65_535, mayConnect: false },
      {
        onHead: (stream, { method, target }) => {
          bodies.set(stream, [[method, target], []]);
          if (stream.isRemoteClosed) answer(stream);
        },
        onData: (stream, bytes) => {
          bodies.get(stream)?.[1].push(Buffer.from(bytes));
          connection.credit(stream, bytes.length);
        },
        onEnd: answer,
        onReset: (stream) => void bodies.delete(stream),
        onMistake: () => {},
        onMalformed: () => {},
        onWindow: () => {},
        onClose: () => {},
      },
      { rules: RULES, origin: { peer: 'p', connection: 'http', fallbackHost: '' }, nowMs: 0 },
    );
    const flush = (): void => {
      const output = connection.takeOutput();
      if (output !== null) socket.write(output);
      if (connection.isClosed) socket.end();
    };
    socket.on('data', (bytes: Buffer) => {
      if (!connection.isClosed) connection.receive(bytes, 0);
      flush();
    });
    socket.on('error', () => {});
    flush();
  });
}

function theirServer(): Server {
  const server = createHttp2();
  server.on('stream', (stream: ServerHttp2Stream, fields) => {
    const [method, path] = [String(fields[':method']), String(fields[':path'])];
    const body: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (bytes: Buffer) => body.push(bytes));
    stream.on('end', () => {
      if (stream.destroyed || stream.closed) return;
      stream.respond({ ':status': 200, x: 'y' });
      stream.end(method === 'HEAD' ? undefined : replyOf(method, path, Buffer.concat(body)));
    });
  });
  server.on('sessionError', () => {});
  return server;
}

beforeAll(async () => {
  for (const [name, server] of [
    ['ours', ourServer()],
    ['theirs', theirServer()],
  ] as const) {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    ports[name] = (server.address() as AddressInfo).port;
    servers.push(server);
  }
});

afterAll(() => {
  for (const server of servers) server.close();
});

interface Outcome {
  readonly bodies: ReadonlyMap<number, string>;
  readonly lines: readonly string[];
  readonly end: 'open' | 'over' | 'stuck';
}

/** `answered`: streams whose replies are waited for. */
async function ask(
  port: number,
  pieces: readonly Buffer[],
  { answered = [], waitMs = WAIT_MS }: { answered?: readonly number[]; waitMs?: number } = {},
): Promise<Outcome> {
  const client = await Http2Client.connect(port, { isSilent: true });
  for (const piece of pieces) client.send(piece);
  client.send(frame(6, 0, 0, LAST_PING));
  const end = await endOf(client, answered, waitMs);
  client.destroy();
  return { bodies: client.bodies, lines: client.lines, end };
}

async function endOf(
  client: Http2Client,
  answered: readonly number[],
  waitMs: number,
): Promise<Outcome['end']> {
  const { lines } = client;
  const untilMs = performance.now() + waitMs;
  for (;;) {
    if (lines.some((line) => /^goaway \d+ [1-9]/.test(line))) return 'over';
    const isAnswered = (id: number): boolean =>
      lines.some((line) => new RegExp(`^(headers|data) ${id} .*END$`).test(line));
    if (lines.includes(`ping ack ${LAST_PING}`) && answered.every(isAnswered)) return 'open';
    if (client.isClosed) return 'over';
    if (performance.now() > untilMs) return 'stuck';
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** INTERNAL_ERROR: node:http2 itself ends at an answer to a PING that it has not sent. */
function isOfNode({ lines }: Outcome): boolean {
  return lines.some((line) => /^goaway \d+ 2$/.test(line));
}

describe('what the RFC allows', () => {
  it('comes to the same as with nghttp2', { timeout: TIMEOUT_MS }, async () => {
    await playSeedsInTurn(SCRIPTS, async (seed) => {
      const random = new SimRandom(seed);
      const script = scriptOf(random);
      const pieces = piecesOf(script.frames, random);
      const [ours, theirs] = await Promise.all([
        ask(ports.ours, pieces, script),
        ask(ports.theirs, pieces, script),
      ]);
      expect([ours.end, theirs.end]).toEqual(['open', 'open']);
      expect(ours.lines.filter((line) => /^(reset|goaway)/.test(line))).toEqual([]);
      expect(ours.bodies.size).toBe(theirs.bodies.size);
      const wanted = script.answered.map((id) => [id, theirs.bodies.get(id)]);
      expect(script.answered.map((id) => [id, ours.bodies.get(id)])).toEqual(wanted);
    });
  });
});

describe('a mistake', () => {
  it('that nghttp2 ends is not taken here either', { timeout: TIMEOUT_MS }, async () => {
    const taken: string[] = [];
    await playSeedsInTurn(SCRIPTS, async (seed) => {
      const random = new SimRandom(seed);
      const frames = withMistake(scriptOf(random), random);
      const pieces = piecesOf(frames, random);
      const [ours, theirs] = await Promise.all([
        ask(ports.ours, pieces, { waitMs: STUCK_MS }),
        ask(ports.theirs, pieces, { waitMs: STUCK_MS }),
      ]);
      const isRefused = ours.end !== 'open' || ours.lines.some((line) => /^reset/.test(line));
      if (theirs.end === 'over' && !isRefused && !isOfNode(theirs)) {
        taken.push(`${seed}: ${theirs.lines.filter((line) => /^goaway/.test(line))}`);
      }
    });
    expect(taken).toEqual([]);
  });
});

describe('any number of mistakes', () => {
  it('never throws, nor lets more in than was offered', () => {
    for (let seed = 1; seed <= 4 * SCRIPTS; seed++) {
      const random = new SimRandom(seed);
      let script = scriptOf(random);
      for (let count = random.below(8); count >= 0; count--) {
        script = { ...script, frames: withMistake(script, random) };
      }
      const server = quietServer();
      for (const piece of piecesOf(script.frames, random)) {
        if (server.isClosed) break;
        server.receive(Buffer.from(piece), seed);
        server.takeOutput();
        if (server.streams.size > STREAMS_MAX) expect.fail(`seed ${seed}: ${server.streams.size}`);
      }
    }
  });
});

/** Takes everything, and answers when a stream has an odd number of bytes in its head. */
function quietServer(): ServerConnection {
  const connection: ServerConnection = new ServerConnection(
    { streamsMax: STREAMS_MAX, streamWindowBytes: 65_535, windowBytes: 65_535, mayConnect: true },
    {
      onHead: (stream, { text }) => {
        if (text.length % 2 === 0) return;
        connection.sendHead(stream, 200, linesOf(field('x', text.slice(0, 3))), false);
        connection.sendData(stream, Buffer.alloc(text.length * 100), true);
      },
      onData: (stream, bytes) => connection.credit(stream, bytes.length),
      onEnd: (stream) => connection.reset(stream, 0),
      onReset: () => {},
      onMistake: () => {},
      onMalformed: () => {},
      onWindow: (stream) => connection.reset(stream, 8),
      onClose: () => {},
    },
    { rules: RULES, origin: { peer: 'p', connection: 'http', fallbackHost: '' }, nowMs: 0 },
  );
  return connection;
}
