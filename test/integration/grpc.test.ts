/**
 * Calls of gRPC through the gateway: what the interop tests of gRPC ask of a server, between
 * clients and servers of @grpc/grpc-js; and what the gateway itself adds to that.
 */
import { type EventEmitter, once } from 'node:events';
import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  Metadata,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defined } from '../../src/base/assert.js';
import { frameMessage } from '../../src/wire/grpc/message-scanner.js';
import { decodeWebText } from '../../src/wire/grpc/web-codec.js';
import { eventually } from '../support/eventually.js';
import { GatewayProcess, type LogRecord } from '../support/gateway-process.js';
import {
  GrpcOrigin,
  grpcClient,
  grpcClientOf,
  INITIAL_KEY,
  type OutputResponse,
  PACKAGE,
  PlainOrigin,
  REFLECTION,
  type SimpleRequest,
  type SimpleResponse,
  TRAILING_KEY,
} from '../support/grpc-origin.js';

const SERVICE = 'sluice.test.TestService';
const KIB = 1024;

let origin: GrpcOrigin;
let other: GrpcOrigin;
let plain: PlainOrigin;
let health: HealthImplementation;
let gateway: GatewayProcess;
let client: Client;

beforeAll(async () => {
  health = new HealthImplementation({ '': 'SERVING' });
  origin = await GrpcOrigin.start('first', (server) => {
    health.addToServer(server);
    new ReflectionService(PACKAGE).addToServer(server);
  });
  other = await GrpcOrigin.start('second');
  plain = await PlainOrigin.start();
  const target = { url: origin.url };
  const plenty = { budgetPercent: 100, minConcurrency: 100, backOff: { base: '0s', max: '0s' } };
  const upstreams = {
    calls: { targets: [target], protocol: 'h2c' },
    pair: {
      targets: [target, { url: other.url }],
      protocol: 'h2c',
      circuitBreaker: { failureThreshold: 1000 },
      retry: { ...plenty, attempts: 2, grpcStatus: ['UNAVAILABLE'] },
    },
    plain: { targets: [{ url: plain.url }], protocol: 'h2c' },
    checked: {
      targets: [target],
      protocol: 'h2c',
      loadBalancing: { panicThreshold: 0 },
      healthCheck: { type: 'grpc', interval: '100ms', unhealthyThreshold: 1, healthyThreshold: 1 },
    },
    silent: { targets: [{ url: 'http://127.0.0.1:1' }], protocol: 'h2c' },
  };
  const call = (name: string, method: string, rest: object) => ({
    name,
    upstream: 'calls',
    ...rest,
    match: { ...(rest as { match?: object }).match, grpc: { service: SERVICE, method } },
  });
  gateway = await GatewayProcess.start({
    workers: 1,
    listen: { port: 0, engine: 'wire', protocols: ['http1', 'h2c'] },
    logging: { accessLog: true },
    upstreams,
    routes: [
      { name: 'calls', match: { grpc: { service: SERVICE } }, upstream: 'calls' },
      {
        name: 'reflection',
        match: { grpc: { service: 'sluice.test.UnimplementedService' } },
        upstream: 'calls',
      },
      {
        name: 'reflect',
        match: { grpc: { service: 'grpc.reflection.v1.ServerReflection' } },
        upstream: 'calls',
      },
      {
        name: 'web',
        match: { grpc: { service: SERVICE }, headers: { 'x-grpc-web': '1' } },
        upstream: 'calls',
        grpcWeb: true,
        cors: { origins: ['https://app.example'] },
      },
      call('checked', 'UnaryCall', {
        match: { headers: { 'x-case': 'checked' } },
        upstream: 'checked',
      }),
      call('plain', 'UnaryCall', { match: { headers: { 'x-case': 'plain' } }, upstream: 'plain' }),
      call('bounded', 'UnaryCall', {
        match: { headers: { 'x-case': 'bounded' } },
        grpc: { maxRequestMessageBytes: KIB, maxReplyMessageBytes: KIB },
      }),
      call('limited', 'UnaryCall', {
        match: { headers: { 'x-case': 'limited' } },
        rateLimit: { limit: 1, window: '1h' },
      }),
      call('pair', 'UnaryCall', { match: { headers: { 'x-case': 'pair' } }, upstream: 'pair' }),
      call('silent', 'UnaryCall', {
        match: { headers: { 'x-case': 'silent' } },
        upstream: 'silent',
      }),
      call('short', 'FullDuplexCall', {
        match: { headers: { 'x-case': 'short' } },
        timeout: '300ms',
      }),
    ],
  });
  client = grpcClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await gateway?.stop();
  origin?.stop();
  plain?.stop();
  other?.stop();
});

interface Unary {
  readonly reply: SimpleResponse | undefined;
  readonly error: ServiceError | null;
  readonly metadata: Metadata;
  readonly trailers: StatusObject;
}

const of = (entries: Readonly<Record<string, string | Buffer>> = {}): Metadata => {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return metadata;
};

/** The status that a call ends with, which is no error here. */
function endOf(call: EventEmitter): Promise<StatusObject> {
  call.on('error', () => {});
  return new Promise((resolve) => call.once('status', resolve));
}

/** A unary call: whatever comes of it is told. */
async function unary(
  method: string,
  request: SimpleRequest = {},
  { metadata = of(), deadline = 20_000, through = client } = {},
): Promise<Unary> {
  const start = Reflect.get(through, method) as (...args: unknown[]) => ClientUnaryCall;
  const result: { error: ServiceError | null; reply: SimpleResponse | undefined } = {
    error: null,
    reply: undefined,
  };
  const options = { deadline: Date.now() + deadline };
  const done = (error: ServiceError | null, reply?: SimpleResponse): void => {
    Object.assign(result, { error, reply });
  };
  const call = start.call(through, request, metadata, options, done);
  let initial = new Metadata();
  call.on('metadata', (received: Metadata) => {
    initial = received;
  });
  const trailers = await endOf(call);
  return { ...result, metadata: initial, trailers };
}

type Streaming = (
  metadata?: Metadata,
  options?: object,
) => ClientDuplexStream<object, OutputResponse>;

const duplex = (metadata = of(), options: object = {}) =>
  (Reflect.get(client, 'FullDuplexCall') as Streaming).call(client, metadata, options);

/** All of a stream of replies, and the status that it ends with. */
async function drain(call: ClientReadableStream<OutputResponse>) {
  const sizes: number[] = [];
  call.on('data', ({ payload }) => sizes.push(payload.body.length));
  return { sizes, ended: await endOf(call) };
}

describe('the interop cases', () => {
  it('empty_unary', async () => {
    expect(await unary('EmptyCall')).toMatchObject({ error: null, trailers: { code: 0 } });
  });

  it('large_unary', async () => {
    const payload = { body: Buffer.alloc(271_828) };
    const { reply, error } = await unary('UnaryCall', { response_size: 314_159, payload });
    expect(error).toBeNull();
    expect(reply?.payload?.body).toHaveLength(314_159);
  });

  it('client_streaming', async () => {
    const start = Reflect.get(client, 'StreamingInputCall') as (
      done: (error: unknown, reply: unknown) => void,
    ) => ClientWritableStream<object>;
    let got: unknown;
    const call = start.call(client, (error, reply) => {
      got = error ?? reply;
    });
    for (const size of [27_182, 8, 1828, 45_904]) {
      call.write({ payload: { body: Buffer.alloc(size) } });
    }
    call.end();
    await endOf(call);
    expect(got).toEqual({ aggregated_payload_size: 74_922 });
  });

  it('server_streaming', async () => {
    const sizes = [31_415, 9, 2653, 58_979];
    const start = Reflect.get(client, 'StreamingOutputCall') as (
      request: object,
    ) => ClientReadableStream<OutputResponse>;
    const request = { response_parameters: sizes.map((size) => ({ size })) };
    expect(await drain(start.call(client, request))).toMatchObject({ sizes, ended: { code: 0 } });
  });

  it('ping_pong', async () => {
    const call = duplex();
    const sizes: number[] = [];
    for (const [sent, asked] of [
      [27_182, 31_415],
      [8, 9],
      [1828, 2653],
      [45_904, 58_979],
    ]) {
      const next = once(call, 'data');
      call.write({
        response_parameters: [{ size: asked }],
        payload: { body: Buffer.alloc(sent ?? 0) },
      });
      const [reply] = (await next) as [OutputResponse];
      sizes.push(reply.payload.body.length);
    }
    call.end();
    expect((await drain(call)).ended.code).toBe(0);
    expect(sizes).toEqual([31_415, 9, 2653, 58_979]);
  });

  it('empty_stream', async () => {
    const call = duplex();
    call.end();
    expect(await drain(call)).toMatchObject({ sizes: [], ended: { code: 0 } });
  });

  it('custom_metadata', async () => {
    const binary = Buffer.from([0xab, 0xab, 0xab]);
    const metadata = of({ [INITIAL_KEY]: 'test_initial_metadata_value', [TRAILING_KEY]: binary });
    const result = await unary('UnaryCall', { response_size: 1 }, { metadata });
    expect(result.metadata.get(INITIAL_KEY)).toEqual(['test_initial_metadata_value']);
    expect(result.trailers.metadata.get(TRAILING_KEY)).toEqual([binary]);
    const call = duplex(metadata);
    const initial = once(call, 'metadata');
    call.write({ response_parameters: [{ size: 1 }] });
    call.end();
    const { ended } = await drain(call);
    expect(((await initial) as [Metadata])[0].get(INITIAL_KEY)).toHaveLength(1);
    expect(ended.metadata.get(TRAILING_KEY)).toEqual([binary]);
  });

  it('status_code_and_message', async () => {
    const response_status = { code: 2, message: 'test status message' };
    const { error } = await unary('UnaryCall', { response_status });
    expect(error).toMatchObject({ code: 2, details: 'test status message' });
    const call = duplex();
    call.write({ response_status });
    call.end();
    expect((await drain(call)).ended).toMatchObject({ code: 2, details: 'test status message' });
  });

  it('special_status_message', async () => {
    const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
    const { error } = await unary('UnaryCall', { response_status: { code: 2, message } });
    expect(error).toMatchObject({ code: 2, details: message });
  });

  it('unimplemented_method', async () => {
    expect((await unary('UnimplementedCall')).error).toMatchObject({ code: status.UNIMPLEMENTED });
  });

  it('unimplemented_service', async () => {
    const through = grpcClient(gateway.port, 'UnimplementedService');
    const { error } = await unary('UnimplementedCall', {}, { through });
    through.close();
    expect(error).toMatchObject({ code: status.UNIMPLEMENTED });
  });

  it('cancel_after_begin', async () => {
    const before = origin.seen.length;
    const call = duplex();
    await eventually('the target has the call', () => origin.seen.length > before);
    call.cancel();
    expect((await drain(call)).ended.code).toBe(status.CANCELLED);
    await eventually('the target knows', () => origin.seen.at(-1)?.isCancelled === true);
  });

  it('cancel_after_first_response', async () => {
    const call = duplex();
    call.write({ response_parameters: [{ size: 31_415 }] });
    await once(call, 'data');
    call.cancel();
    expect((await drain(call)).ended.code).toBe(status.CANCELLED);
    await eventually('the target knows', () => origin.seen.at(-1)?.isCancelled === true);
  });

  it('timeout_on_sleeping_server', async () => {
    const call = duplex(of(), { deadline: Date.now() + 200 });
    call.write({ payload: { body: Buffer.alloc(27_182) } });
    expect((await drain(call)).ended.code).toBe(status.DEADLINE_EXCEEDED);
    await eventually('the target knows', () => origin.seen.at(-1)?.isCancelled === true);
  });
});

describe('the gateway', () => {
  it('refuses with statuses of gRPC', async () => {
    const stranger = grpcClient(gateway.port, 'TestService');
    const nowhere = await unary('UnaryCall', {}, { metadata: of({ 'x-case': 'silent' }) });
    expect(nowhere.error).toMatchObject({ code: status.UNAVAILABLE });
    stranger.close();
    const metadata = of({ 'x-case': 'limited' });
    expect((await unary('UnaryCall', {}, { metadata })).error).toBeNull();
    const refused = await unary('UnaryCall', {}, { metadata });
    expect(refused.error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(refused.trailers.metadata.get('grpc-retry-pushback-ms')).toHaveLength(1);
  });

  it('bounds messages both ways, and lets through what is within', async () => {
    const metadata = of({ 'x-case': 'bounded' });
    const large = { payload: { body: Buffer.alloc(2 * KIB) } };
    const tooLarge = await unary('UnaryCall', large, { metadata });
    expect(tooLarge.error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    const before = origin.seen.length;
    const reply = await unary('UnaryCall', { response_size: 2 * KIB }, { metadata });
    expect(reply.error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(origin.seen.length).toBe(before + 1);
    expect((await unary('UnaryCall', { response_size: 100 }, { metadata })).error).toBeNull();
  });

  it('tells the target how long the client still waits, and no longer than the route', async () => {
    await unary('UnaryCall', {}, { deadline: 30_000 });
    const [timeout] = [origin.seen.at(-1)?.metadata['grpc-timeout']];
    // grpc-js keeps the field to itself: the deadline of the call has it.
    expect(timeout).toBeUndefined();
    const call = duplex(of({ 'x-case': 'short' }), { deadline: Date.now() + 30_000 });
    call.write({ response_parameters: [{ size: 1 }] });
    const { sizes, ended } = await drain(call);
    expect(sizes).toEqual([1]);
    expect(ended.code).toBe(status.DEADLINE_EXCEEDED);
  });

  it('lets a call send any number of messages, each within its bound', async () => {
    const start = Reflect.get(client, 'StreamingInputCall') as (
      done: (error: unknown, reply: unknown) => void,
    ) => ClientWritableStream<object>;
    let got: unknown;
    const call = start.call(client, (error, reply) => {
      got = error ?? reply;
    });
    // Together they are longer than limits.bodyBytes, which is 1 MiB.
    for (let at = 0; at < 32; at += 1) call.write({ payload: { body: Buffer.alloc(64 * KIB) } });
    call.end();
    await endOf(call);
    expect(got).toEqual({ aggregated_payload_size: 2048 * KIB });
  });

  it('gives a status to answers that are no gRPC, and to those that end without one', async () => {
    const metadata = of({ 'x-case': 'plain' });
    plain.answer = { ':status': 503, 'content-type': 'text/html' };
    const html = await unary('UnaryCall', {}, { metadata });
    expect(html.error).toMatchObject({
      code: status.UNAVAILABLE,
      details: 'The target answered with HTTP status 503, and not in gRPC.',
    });
    plain.answer = { ':status': 200, 'content-type': 'application/grpc' };
    const mute = await unary('UnaryCall', {}, { metadata });
    expect(mute.error).toMatchObject({
      code: status.INTERNAL,
      details: 'The target ended the call without a status.',
    });
  });

  it('says that the target was lost in the middle of a message', async () => {
    const metadata = of({ 'x-case': 'plain' });
    plain.answer = { ':status': 200, 'content-type': 'application/grpc' };
    plain.breaksOff = true;
    const { error } = await unary('UnaryCall', {}, { metadata });
    plain.breaksOff = false;
    expect(error).toMatchObject({ code: status.UNAVAILABLE, details: 'Upstream connection lost' });
  });

  it('goes by health checks of gRPC', async () => {
    const metadata = of({ 'x-case': 'checked' });
    const isServed = async (): Promise<boolean> =>
      (await unary('UnaryCall', {}, { metadata })).error === null;
    await eventually('the target is used', isServed);
    health.setStatus('', 'NOT_SERVING');
    await eventually('the target is not used', async () => !(await isServed()));
    health.setStatus('', 'SERVING');
    await eventually('the target is used again', isServed);
  });

  it('passes reflection', async () => {
    const reflection = grpcClientOf(gateway.port, REFLECTION);
    const start = Reflect.get(reflection, 'ServerReflectionInfo') as () => ClientDuplexStream<
      object,
      { list_services_response: { service: { name: string }[] } }
    >;
    const call = start.call(reflection);
    const next = once(call, 'data');
    call.write({ list_services: '' });
    const [{ list_services_response: list }] = (await next) as [
      { list_services_response: { service: { name: string }[] } },
    ];
    call.end();
    await endOf(call);
    reflection.close();
    expect(list.service.map(({ name }) => name)).toContain(SERVICE);
  });

  it.each(['application/grpc-web+proto', 'application/grpc-web-text'])(
    'translates %s for pages',
    async (type) => {
      const isText = type.includes('text');
      const framed = frameMessage(Buffer.from([8, 3]));
      const reply = await fetch(`${gateway.url}/${SERVICE}/UnaryCall`, {
        method: 'POST',
        headers: { 'content-type': type, 'x-grpc-web': '1', origin: 'https://app.example' },
        body: isText ? framed.toString('base64') : new Uint8Array(framed),
      });
      expect(reply.status).toBe(200);
      expect(reply.headers.get('content-type')).toBe(
        isText ? 'application/grpc-web-text+proto' : type,
      );
      expect(reply.headers.get('access-control-expose-headers')).toContain('grpc-status');
      const raw = Buffer.from(await reply.arrayBuffer());
      const bytes = isText ? defined(decodeWebText(raw), 'base64') : raw;
      const end = 5 + bytes.readUInt32BE(1);
      expect(bytes.subarray(0, end).toString('latin1')).toContain('first');
      expect(bytes[end]).toBe(0x80);
      expect(bytes.subarray(end + 5).toString('latin1')).toContain('grpc-status: 0\r\n');
    },
  );

  it('retries what a target ended with a status that is named', async () => {
    const metadata = of({ 'x-case': 'pair' });
    origin.unavailable = 1;
    other.unavailable = 1;
    const payload = { body: Buffer.alloc(10 * KIB) };
    const { reply, error } = await unary('UnaryCall', { payload }, { metadata });
    expect(error).toBeNull();
    expect(['first', 'second']).toContain(reply?.server);
    expect([origin.unavailable, other.unavailable]).toEqual([0, 0]);
  });

  it('gives the last status where there is no other try', async () => {
    const metadata = of({ 'x-case': 'pair' });
    origin.unavailable = 10;
    other.unavailable = 10;
    const { error } = await unary('UnaryCall', {}, { metadata });
    expect(error).toMatchObject({ code: status.UNAVAILABLE, details: 'not now' });
    expect(origin.unavailable + other.unavailable).toBe(17);
    origin.pushback = '-1';
    other.pushback = '-1';
    await unary('UnaryCall', {}, { metadata });
    expect(origin.unavailable + other.unavailable).toBe(16);
    origin.unavailable = 0;
    other.unavailable = 0;
  });

  it('records and counts calls by method and status', async () => {
    await unary('UnaryCall', { response_status: { code: 5, message: 'none' } });
    const found = (): LogRecord | undefined =>
      gateway.records().find((one) => Reflect.get(one, 'grpcStatus') === 5);
    await eventually('the record is there', () => found() !== undefined);
    expect(found()).toMatchObject({ grpcService: SERVICE, grpcMethod: 'UnaryCall', status: 200 });
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(
      /gateway_grpc_calls_total\{service="sluice.test.TestService",method="UnaryCall",status="NOT_FOUND"\} 1/,
    );
  });
});
