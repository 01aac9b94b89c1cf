/**
 * What every way to a target has to do with a request body that streams, on real sockets.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type AddressInfo,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../src/base/field-block.js';
import { PROBLEMS } from '../../src/base/problems.js';
import { WINDOW_BYTES, WINDOW_CREDIT_BYTES } from '../../src/channel/lane.js';
import { StreamedBody } from '../../src/worker/exchange/streamed-body.js';
import { eventually } from '../support/eventually.js';
import { type Answer, TransportOrigin } from '../support/transport-origin.js';
import {
  certificateFor,
  isHttp2,
  type TransportChoice,
  TransportRig,
} from '../support/transport-rig.js';

const TRANSPORTS: readonly TransportChoice[] = ['undici', 'lean', 'lean over TLS', 'h2c', 'h2'];

/** A client that sends as much as its window allows. */
class Client {
  readonly body: StreamedBody;
  window = WINDOW_BYTES;
  trailers: FieldBlock = NO_FIELDS;
  /** A target takes the body. */
  onWanted: () => void = () => {};
  private at = 0;

  constructor(
    private readonly content: Buffer,
    private readonly pieceBytes: number,
    isLengthKnown: boolean,
  ) {
    this.body = new StreamedBody(isLengthKnown ? content.length : -1, {
      onWanted: () => this.onWanted(),
      giveWindow: (bytes) => {
        this.window += bytes;
        this.send();
      },
    });
  }

  get isDone(): boolean {
    return this.at === this.content.length;
  }

  send(): void {
    while (!this.isDone && this.window > 0) {
      const size = Math.min(this.pieceBytes, this.window, this.content.length - this.at);
      // What is behind the call is overwritten, as a ring is.
      const lent = Buffer.from(this.content.subarray(this.at, this.at + size));
      this.at += size;
      this.window -= size;
      this.body.push(lent);
      lent.fill(0);
      if (this.isDone) this.body.end(this.trailers);
    }
  }
}

/** Reads the beginning of a request, answers 413, and closes at once. */
class EarlyOrigin {
  private constructor(
    private readonly server: NetServer,
    readonly port: number,
  ) {}

  static async start(transport: TransportChoice): Promise<EarlyOrigin> {
    const certificate = certificateFor(transport);
    const answerEarly = (socket: Socket): void => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.pause();
        const head = 'HTTP/1.1 413 X\r\nContent-Length: 8\r\n\r\n';
        socket.write(`${head}too much`, () => socket.destroy());
      });
    };
    const server =
      certificate === null
        ? createNetServer(answerEarly)
        : createTlsServer({ ...certificate }, answerEarly);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new EarlyOrigin(server, (server.address() as AddressInfo).port);
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }
}

interface Arrived {
  readonly framing: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What came in whole. */
let arrived: Arrived[];
let origin: TransportOrigin;
let rig: TransportRig;
/** What the origin does with the next request; by default it reads it, and says 200. */
let answer: Answer;

const readAndAnswer: Answer = (request, reply) => {
  const hash = createHash('sha256');
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  request.on('end', () => {
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
    arrived.push({ framing: length ?? coding ?? '', bytes, sha256: hash.digest('hex') });
    reply.end('ok');
  });
};

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe.each(TRANSPORTS)('%s', (transport) => {
  beforeEach(async () => {
    arrived = [];
    answer = readAndAnswer;
    const listener = (request: IncomingMessage, reply: ServerResponse): void => {
      const now = answer;
      answer = readAndAnswer;
      now(request, reply);
    };
    origin = await TransportOrigin.start(transport, listener);
    rig = new TransportRig(transport, origin.port);
  });

  afterEach(async () => {
    await rig.close();
    await origin.close();
  });

  describe.each([true, false])('with its length known: %s', (isLengthKnown) => {
    it.each([
      ['in large pieces', 3_000_000, 65_536],
      ['in odd pieces', 600_001, 40_961],
      ['in small pieces', 100_000, 97],
      ['in one piece', 70_000, 70_000],
    ])('arrives as it was sent, %s', async (_name, bytes, pieceBytes) => {
      const content = randomBytes(bytes);
      const client = new Client(content, pieceBytes, isLengthKnown);
      client.send();
      const probe = rig.send({ method: 'POST', body: client.body });
      await probe.over;
      expect([probe.status, probe.body]).toEqual([200, 'ok']);
      const [request] = arrived;
      expect(request).toMatchObject({ bytes, sha256: sha256(content) });
      // undici counts what is there already when the connection stands.
      if (isLengthKnown) expect(request?.framing).toBe(String(bytes));
      else if (transport !== 'undici') {
        expect(request?.framing).toBe(isHttp2(transport) ? '' : 'chunked');
      }
      expect(rig.connections.idleCount).toBe(1);
      expect((await rig.exchange()).body).toBe('ok');
      expect(origin.sockets.length).toBe(1);
    });

    it('is asked for when a target takes it, and not before', async () => {
      const content = randomBytes(100_000);
      const client = new Client(content, 65_536, isLengthKnown);
      let wanted = 0;
      client.onWanted = () => {
        wanted += 1;
        client.send();
      };
      const probe = rig.send({ method: 'POST', body: client.body });
      expect(wanted).toBe(0);
      await probe.over;
      expect([probe.status, wanted]).toEqual([200, 1]);
      expect(arrived).toMatchObject([{ bytes: content.length, sha256: sha256(content) }]);
    });

    const hasTrailers = transport !== 'undici' && !isLengthKnown;
    const itWithTrailers = hasTrailers ? it : () => {};
    itWithTrailers('ends with its trailers', async () => {
      let trailers: NodeJS.Dict<string> = {};
      answer = (request, reply) => {
        request.resume();
        request.on('end', () => {
          trailers = Object.fromEntries(Object.entries(request.trailers));
          reply.end('ok');
        });
      };
      const client = new Client(randomBytes(10_000), 4096, false);
      client.trailers = joinFields(field('X-Check', 'a b'), field('X-Other', '1'));
      client.send();
      const probe = await rig.exchange({ method: 'POST', body: client.body });
      expect([probe.status, trailers]).toEqual([200, { 'x-check': 'a b', 'x-other': '1' }]);
      expect((await rig.exchange()).body).toBe('ok');
      expect(origin.sockets.length).toBe(1);
    });

    it('goes only as fast as the target reads', async () => {
      const content = randomBytes(20_000_000);
      const client = new Client(content, 65_536, isLengthKnown);
      let goOn: (() => void) | null = null;
      answer = (request, reply) => {
        goOn = () => readAndAnswer(request, reply);
      };
      const probe = rig.send({ method: 'POST', body: client.body });
      client.send();
      let last = -1;
      await eventually('nothing moves any more', async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const isStill = goOn !== null && client.window === last;
        last = client.window;
        return isStill;
      });
      expect(client.isDone).toBe(false);
      expect(client.window).toBeLessThan(WINDOW_CREDIT_BYTES);
      (goOn as (() => void) | null)?.();
      await probe.over;
      expect(arrived[0]?.sha256).toBe(sha256(content));
    });

    it('that stops at an early reply costs its connection or stream, and nothing else', async () => {
      const client = new Client(randomBytes(1_000_000), 65_536, isLengthKnown);
      answer = (_request, reply) => void reply.end('ok');
      const probe = rig.send({ method: 'POST', body: client.body });
      // undici sends no head before the first piece.
      client.send();
      await probe.over;
      expect([probe.status, probe.body]).toEqual([200, 'ok']);
      client.body.drop();
      if (!isHttp2(transport)) await eventually('the target is cut off', () => origin.isAllClosed);
      expect((await rig.exchange()).body).toBe('ok');
      expect(origin.sockets.length).toBe(isHttp2(transport) ? 1 : 2);
      expect(probe.lateCalls).toBe(0);
    });

    // A real server that says what is wrong with an upload and closes with bytes of it unread: the
    // system resets the connection behind the reply, and undici loses what it had not read.
    const itBeforeReset = transport === 'undici' || isHttp2(transport) ? () => {} : it;
    itBeforeReset(
      'whose target answers early and resets the connection gets that reply',
      async () => {
        for (let round = 0; round < 30; round++) {
          const early = await EarlyOrigin.start(transport);
          const other = new TransportRig(transport, early.port);
          const client = new Client(randomBytes(4_000_000), 65_536, isLengthKnown);
          const probe = other.send({ method: 'POST', body: client.body });
          client.send();
          await probe.over;
          expect([round, probe.problem, probe.status, probe.body]).toEqual([
            ...[round, null, 413, 'too much'],
          ]);
          client.body.drop();
          await eventually('nothing is kept', () => other.connections.idleCount === 0);
          await other.close();
          await early.close();
        }
      },
    );

    it('that its client gives up is cut off at the target', async () => {
      const client = new Client(randomBytes(1_000_000), 65_536, isLengthKnown);
      client.send();
      const probe = rig.send({ method: 'POST', body: client.body });
      let hasHead = false;
      let isCut = false;
      answer = (request) => {
        hasHead = true;
        request.resume();
        request.on('aborted', () => {
          isCut = true;
        });
      };
      await eventually('the head is there', () => hasHead);
      probe.attempt.abort();
      client.body.drop();
      await eventually(
        'the target is cut off',
        isHttp2(transport) ? () => isCut : () => origin.isAllClosed,
      );
      if (isHttp2(transport)) return;
      expect(rig.connections.idleCount).toBe(0);
    });

    it('that the target breaks off fails, and what comes later goes nowhere', async () => {
      const client = new Client(randomBytes(1_000_000), 65_536, isLengthKnown);
      client.send();
      answer = () => origin.breakOff();
      const probe = rig.send({ method: 'POST', body: client.body });
      await probe.over;
      expect(probe.problem).toBe(PROBLEMS.upstreamReset);
      client.send();
      client.body.drop();
      expect(probe.lateCalls).toBe(0);
    });

    it('is not touched while no connection stands', async () => {
      const client = new Client(randomBytes(100_000), 65_536, isLengthKnown);
      client.send();
      const dead = new TransportRig(transport, 1);
      const failed = dead.send({ method: 'POST', body: client.body });
      await failed.over;
      expect(failed.problem).toBe(PROBLEMS.connectFailed);
      const probe = rig.send({ method: 'POST', body: client.body });
      await probe.over;
      expect(arrived[0]?.bytes).toBe(100_000);
      await dead.close();
    });
  });
});
