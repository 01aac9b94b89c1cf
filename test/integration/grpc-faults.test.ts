/**
 * Calls of gRPC through a gateway that speaks TLS on both sides, when things go wrong in their
 * middle: a worker that crashes or hangs, a client that does not read, time that runs out.
 */
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import {
  type Client,
  type ClientDuplexStream,
  Metadata,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseGrpcTimeout } from '../../src/wire/grpc/grpc-timeout.js';
import { frameMessage } from '../../src/wire/grpc/message-scanner.js';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { GrpcOrigin, type OutputResponse, secureGrpcClient } from '../support/grpc-origin.js';
import { PairFiles } from '../support/pair-files.js';
import { makeCertificate } from '../support/test-certificate.js';

const SERVICE = 'sluice.test.TestService';
const MIB = 2 ** 20;
const LANES = 2;

const certificate = makeCertificate();
const files = new PairFiles('rename', certificate);
/** A target whose every step the test decides. */
let raw: Http2SecureServer;
let onCall: (stream: ServerHttp2Stream, timeout: string) => void = () => {};
let origin: GrpcOrigin;
let gateway: GatewayProcess;
let client: Client;

beforeAll(async () => {
  raw = createSecureServer({ ...certificate, ALPNProtocols: ['h2'] });
  raw.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    onCall(stream, String(headers['grpc-timeout'] ?? ''));
  });
  raw.listen(0, '127.0.0.1');
  await once(raw, 'listening');
  origin = await GrpcOrigin.start('only', () => {}, certificate);
  const tls = { ca: certificate.cert, serverName: 'localhost' };
  const plenty = { budgetPercent: 100, minConcurrency: 100, backOff: { base: '0s', max: '0s' } };
  const { port } = raw.address() as AddressInfo;
  gateway = await GatewayProcess.start(
    {
      workers: LANES,
      listen: {
        port: 0,
        engine: 'wire',
        tls: { certificates: [{ cert: files.cert, key: files.key }] },
      },
      logging: { accessLog: true },
      upstreams: {
        calls: { targets: [{ url: origin.url }], protocol: 'h2', tls },
        raw: {
          targets: [{ url: `https://127.0.0.1:${port}` }],
          protocol: 'h2',
          tls,
          retry: { ...plenty, attempts: 1, grpcStatus: ['UNAVAILABLE'] },
        },
      },
      routes: [
        { name: 'calls', match: { grpc: { service: SERVICE } }, upstream: 'calls' },
        { name: 'raw', match: { grpc: { service: 'raw.Service' } }, upstream: 'raw' },
      ],
    },
    { GATEWAY_CHAOS: '1' },
  );
  client = secureGrpcClient(gateway.port, certificate);
});

afterAll(async () => {
  client?.close();
  await gateway?.stop();
  origin?.stop();
  raw?.close();
  files.remove();
});

type Start = (...args: unknown[]) => unknown;

const start = (method: string, ...args: unknown[]): unknown =>
  (Reflect.get(client, method) as Start).call(client, ...args);

async function inject(fault: string): Promise<void> {
  const reply = await fetch(`${gateway.adminUrl}/chaos/worker/0/${fault}`, { method: 'POST' });
  await reply.arrayBuffer();
  expect(reply.status).toBe(202);
}

/** A call whose messages come back one by one. */
class Conversation {
  ended: StatusObject | null = null;
  private readonly call = start('FullDuplexCall') as ClientDuplexStream<object, OutputResponse>;

  constructor() {
    this.call.on('error', () => {});
    this.call.on('status', (ended: StatusObject) => {
      this.ended = ended;
    });
  }

  async say(size: number): Promise<number> {
    const answer = once(this.call, 'data');
    this.call.write({ response_parameters: [{ size }] });
    const [{ payload }] = (await answer) as [OutputResponse];
    return payload.body.length;
  }

  async finish(): Promise<number | undefined> {
    this.call.on('data', () => {});
    this.call.end();
    await eventually('the call has ended', () => this.ended !== null);
    return this.ended?.code;
  }
}

/** What became of a unary call: null while it is on its way. */
class Question {
  outcome: { readonly error: ServiceError | null } | null = null;

  constructor() {
    start('UnaryCall', {}, new Metadata(), (error: ServiceError | null) => {
      this.outcome = { error };
    });
  }
}

describe('a worker that is lost', () => {
  it.each(['crash', 'hang'])('by a %s ends its calls with a status, and no others', async (way) => {
    // One after the other, so that each lane has the same number of them.
    const talks: Conversation[] = [];
    for (let at = 0; at < 2 * LANES; at += 1) {
      const talk = new Conversation();
      talks.push(talk);
      expect(await talk.say(9)).toBe(9);
    }
    origin.holdsUnary = true;
    const questions = Array.from({ length: 2 * LANES }, () => new Question());
    await eventually('the target has them', () => origin.heldCount === questions.length);
    await inject(way);
    const lostTalks = () => talks.filter(({ ended }) => ended !== null);
    const lostQuestions = () => questions.filter(({ outcome }) => outcome !== null);
    await eventually('those of one lane have ended', () => {
      return lostTalks().length === 2 && lostQuestions().length === 2;
    });
    const lost = { code: status.UNAVAILABLE, details: 'The worker ended; try again.' };
    for (const { ended } of lostTalks()) expect(ended).toMatchObject(lost);
    for (const { outcome } of lostQuestions()) expect(outcome).toMatchObject({ error: lost });
    origin.letGo();
    await eventually('the others are answered', () => lostQuestions().length === questions.length);
    const errors = questions.filter(({ outcome }) => outcome?.error !== null);
    expect(errors).toHaveLength(2);
    // All of them share one connection, which goes on.
    const others = talks.filter(({ ended }) => ended === null);
    expect(others).toHaveLength(2);
    for (const talk of others) {
      expect(await talk.say(100)).toBe(100);
      expect(await talk.finish()).toBe(status.OK);
    }
    await eventually('a lane is served again', async () => {
      const { workers } = await gateway.stats<{ workers: { served: boolean }[] }>();
      return workers.every(({ served }) => served);
    });
    const next = new Conversation();
    expect(await next.say(5)).toBe(5);
    expect(await next.finish()).toBe(status.OK);
    expect((await gateway.stats())['in_flight']).toBe(0);
  });
});

describe('a call of a client that one can see through', () => {
  let session: ClientHttp2Session;

  beforeAll(async () => {
    session = connect(`https://localhost:${gateway.port}`, { ca: certificate.cert });
    await once(session, 'connect');
    // One stream that is not read must not hold the others back.
    session.setLocalWindowSize(8 * MIB);
  });

  afterAll(() => session?.destroy());

  function call(method: string, timeout: string): ClientHttp2Stream {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/raw.Service/${method}`,
      'content-type': 'application/grpc',
      'grpc-timeout': timeout,
      te: 'trailers',
    });
    stream.end(frameMessage(Buffer.from('x')));
    return stream;
  }

  async function statusOf(stream: ClientHttp2Stream): Promise<string> {
    let found = '';
    const note = (fields: object): void => {
      found = String(Reflect.get(fields, 'grpc-status') ?? found);
    };
    stream.on('response', note).on('trailers', note).resume();
    await once(stream, 'close');
    return found;
  }

  const trailersOnly = { ':status': 200, 'content-type': 'application/grpc' };

  it('tells each try how much is left of the time', async () => {
    const told: { readonly leftMs: number; readonly atMs: number }[] = [];
    let answeredMs = 0;
    onCall = (stream, timeout) => {
      told.push({ leftMs: parseGrpcTimeout(timeout), atMs: performance.now() });
      if (told.length > 1) {
        stream.respond({ ...trailersOnly, 'grpc-status': '0' }, { endStream: true });
        return;
      }
      setTimeout(() => {
        answeredMs = performance.now();
        stream.respond({ ...trailersOnly, 'grpc-status': '14' }, { endStream: true });
      }, 300);
    };
    expect(await statusOf(call('Twice', '20S'))).toBe('0');
    const [first, second] = told;
    expect(first?.leftMs).toBeLessThanOrEqual(20_000);
    const spentMs = answeredMs - (first?.atMs ?? 0);
    expect((first?.leftMs ?? 0) - (second?.leftMs ?? 0)).toBeGreaterThan(spentMs - 5);
  });

  it('that does not read holds its target back, and nobody else, until its time is over', async () => {
    let written = 0;
    let reset = -1;
    onCall = (stream) => {
      stream.respond(trailersOnly);
      const message = frameMessage(Buffer.alloc(64 * 1024));
      const more = (): void => {
        do written += message.length;
        while (stream.write(message));
      };
      stream.on('drain', more);
      stream.on('close', () => {
        reset = stream.rstCode;
      });
      more();
    };
    const slow = call('Down', '3S');
    await once(slow, 'response');
    let seen = 0;
    let looks = 0;
    await eventually('the target is held back', () => {
      looks = written === seen ? looks + 1 : 0;
      seen = written;
      return looks > 10;
    });
    expect(written).toBeLessThan(4 * MIB);
    const endless = onCall;
    onCall = (stream) =>
      stream.respond({ ...trailersOnly, 'grpc-status': '0' }, { endStream: true });
    expect(await statusOf(call('Beside', '20S'))).toBe('0');
    onCall = endless;
    await eventually('the target knows that nobody waits', () => reset !== -1);
    expect(reset).toBe(constants.NGHTTP2_CANCEL);
    expect(written).toBeLessThan(4 * MIB);
    // What was on its way is there, and behind it the reason.
    expect(await statusOf(slow)).toBe(String(status.DEADLINE_EXCEEDED));
  });
});
