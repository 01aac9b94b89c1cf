/**
 * A server of gRPC, and clients of it: @grpc/grpc-js with the service of the interop tests.
 *
 * What a call does is in its request, as the interop tests have it: sizes, and a status to end
 * with. The server echoes the metadata of these tests, and tells what it was asked.
 */
import { once } from 'node:events';
import { createServer, type Http2Server, type OutgoingHttpHeaders } from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Client,
  type ClientOptions,
  credentials,
  loadPackageDefinition,
  Metadata,
  makeClientConstructor,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { defined } from '../../src/base/assert.js';
import type { TestCertificate } from './test-certificate.js';

export const PROTO_FILE = fileURLToPath(new URL('./protos/interop.proto', import.meta.url));
export const PACKAGE: PackageDefinition = loadSync(PROTO_FILE, { keepCase: true, longs: String });

export const INITIAL_KEY = 'x-grpc-test-echo-initial';
export const TRAILING_KEY = 'x-grpc-test-echo-trailing-bin';

interface Status {
  readonly code: number;
  readonly message: string;
}

export interface Payload {
  readonly body: Buffer;
}

export interface SimpleRequest {
  readonly response_size?: number;
  readonly payload?: Payload;
  readonly response_status?: Status;
}

export interface SimpleResponse {
  readonly payload: Payload | null;
  readonly server: string;
}

interface OutputRequest {
  readonly response_parameters?: readonly {
    readonly size: number;
    readonly interval_ms?: number;
  }[];
  readonly payload?: Payload;
  readonly response_status?: Status;
}

export interface OutputResponse {
  readonly payload: Payload;
}

/** What all four kinds of calls have. */
interface AnyCall {
  readonly metadata: Metadata;
  sendMetadata(metadata: Metadata): void;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** What is kept of a call. */
export interface SeenCall {
  readonly method: string;
  readonly metadata: Readonly<Record<string, string | Buffer>>;
  isCancelled: boolean;
}

export class GrpcOrigin {
  readonly seen: SeenCall[] = [];
  /** Calls of UnaryCall that end at once with UNAVAILABLE: how many are left. */
  unavailable = 0;
  /** Beside that status: milliseconds in grpc-retry-pushback-ms. */
  pushback = '';
  /** Calls of UnaryCall are not answered before letGo(). */
  holdsUnary = false;
  private readonly held: (() => void)[] = [];

  private constructor(
    readonly server: Server,
    readonly name: string,
    private readonly scheme: 'http' | 'https',
    public port: number,
  ) {}

  /** `prepare` adds other services. With `tls` it speaks nothing else. */
  static async start(
    name: string,
    prepare: (server: Server) => void = () => {},
    tls: TestCertificate | null = null,
  ) {
    const server = new Server();
    const origin = new GrpcOrigin(server, name, tls === null ? 'http' : 'https', 0);
    server.addService(serviceOf('TestService').service, {
      EmptyCall: origin.emptyCall.bind(origin),
      UnaryCall: origin.unaryCall.bind(origin),
      StreamingInputCall: origin.inputCall.bind(origin),
      StreamingOutputCall: origin.outputCall.bind(origin),
      FullDuplexCall: origin.duplexCall.bind(origin),
    });
    prepare(server);
    origin.port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', serverCredentials(tls), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return origin;
  }

  get url(): string {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  /** Calls that wait for their replies. */
  get heldCount(): number {
    return this.held.length;
  }

  letGo(): void {
    this.holdsUnary = false;
    for (const answer of this.held.splice(0)) answer();
  }

  stop(): void {
    this.server.forceShutdown();
  }

  private see(method: string, call: AnyCall): SeenCall {
    const seen: SeenCall = { method, metadata: call.metadata.getMap(), isCancelled: false };
    this.seen.push(seen);
    call.on('cancelled', () => {
      seen.isCancelled = true;
    });
    const initial = call.metadata.get(INITIAL_KEY);
    if (initial.length > 0) {
      const metadata = new Metadata();
      for (const value of initial) metadata.add(INITIAL_KEY, value);
      call.sendMetadata(metadata);
    }
    return seen;
  }

  private emptyCall(
    call: ServerUnaryCall<SimpleRequest, SimpleResponse>,
    reply: sendUnaryData<object>,
  ): void {
    this.see('EmptyCall', call);
    reply(null, {}, trailersOf(call));
  }

  private unaryCall(
    call: ServerUnaryCall<SimpleRequest, SimpleResponse>,
    reply: sendUnaryData<SimpleResponse>,
  ): void {
    this.see('UnaryCall', call);
    const metadata = trailersOf(call);
    if (this.unavailable > 0) {
      this.unavailable -= 1;
      if (this.pushback !== '') metadata.set('grpc-retry-pushback-ms', this.pushback);
      reply({ code: 14, details: 'not now', metadata });
      return;
    }
    const { response_status: status, response_size: size = 0 } = call.request;
    if (status != null) {
      reply({ code: status.code, details: status.message, metadata });
      return;
    }
    const answer = (): void =>
      reply(null, { payload: { body: Buffer.alloc(size) }, server: this.name }, metadata);
    if (this.holdsUnary) this.held.push(answer);
    else answer();
  }

  private inputCall(
    call: ServerReadableStream<{ payload: Payload }, { aggregated_payload_size: number }>,
    reply: sendUnaryData<{ aggregated_payload_size: number }>,
  ): void {
    this.see('StreamingInputCall', call);
    let size = 0;
    call.on('data', ({ payload }: { payload: Payload }) => {
      size += payload.body.length;
    });
    call.on('end', () => reply(null, { aggregated_payload_size: size }, trailersOf(call)));
  }

  private outputCall(call: ServerWritableStream<OutputRequest, OutputResponse>): void {
    this.see('StreamingOutputCall', call);
    const { response_parameters: sizes = [], response_status: status } = call.request;
    for (const { size } of sizes) call.write({ payload: { body: Buffer.alloc(size) } });
    if (status != null) call.emit('error', statusOf(status));
    else call.end(trailersOf(call));
  }

  private duplexCall(call: ServerDuplexStream<OutputRequest, OutputResponse>): void {
    this.see('FullDuplexCall', call);
    call.on('data', ({ response_parameters: sizes = [], response_status: status }) => {
      for (const { size } of sizes) call.write({ payload: { body: Buffer.alloc(size) } });
      if (status != null) call.emit('error', statusOf(status));
    });
    call.on('end', () => call.end(trailersOf(call)));
  }
}

function serverCredentials(tls: TestCertificate | null): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure();
  const pair = { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) };
  return ServerCredentials.createSsl(null, [pair]);
}

function statusOf({ code, message }: Status): object {
  return { code, details: message };
}

function trailersOf({ metadata }: { readonly metadata: Metadata }): Metadata {
  const trailers = new Metadata();
  for (const value of metadata.get(TRAILING_KEY)) trailers.add(TRAILING_KEY, value);
  return trailers;
}

/** The clients of a service, as grpc-js makes them. */
export function serviceOf(name: string): ServiceClientConstructor {
  let found: unknown = loadPackageDefinition(PACKAGE);
  for (const part of ['sluice', 'test', name]) found = Reflect.get(found as object, part);
  return defined(found as ServiceClientConstructor | undefined, `the service ${name}`);
}

/** A server of HTTP/2 that does not speak gRPC as it should. */
export class PlainOrigin {
  /** The head of its answers, which end behind it. */
  answer: OutgoingHttpHeaders = {};
  /** Their connection is lost behind a part of a message. */
  breaksOff = false;

  private constructor(private readonly server: Http2Server) {
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.respond(this.answer);
      if (!this.breaksOff) {
        stream.end();
        return;
      }
      // A message that announces more than it has, and then nothing.
      stream.write(Buffer.from([0, 0, 0, 0, 9, 1]), () => stream.session?.destroy());
    });
  }

  static async start(): Promise<PlainOrigin> {
    const server = createServer();
    const origin = new PlainOrigin(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return origin;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
  }
}

/** The client of server reflection, by the description that the server itself uses. */
export const REFLECTION = 'grpc.reflection.v1.ServerReflection';

/** A client of any service that is described beside the package. */
export function grpcClientOf(port: number, service: typeof REFLECTION): Client {
  const file = join(
    dirname(createRequire(import.meta.url).resolve('@grpc/reflection/package.json')),
    'build/proto/grpc/reflection/v1/reflection.proto',
  );
  const described = loadSync(file, { keepCase: true });
  const Made = makeClientConstructor(described[service] as ServiceDefinition, service);
  return new Made(`127.0.0.1:${port}`, credentials.createInsecure());
}

/** A client over HTTP/2 without TLS. */
export function grpcClient(
  port: number,
  name = 'TestService',
  options: ClientOptions = {},
): Client {
  return new (serviceOf(name))(`127.0.0.1:${port}`, credentials.createInsecure(), options);
}

/** A client over TLS that trusts this certificate alone. */
export function secureGrpcClient(port: number, { cert }: TestCertificate): Client {
  const trust = credentials.createSsl(Buffer.from(cert));
  return new (serviceOf('TestService'))(`localhost:${port}`, trust);
}
