/**
 * An agent of SPIFFE for tests: @grpc/grpc-js, with the service as its authors publish it.
 *
 * It says what it is told to say, to whoever asks and to all that are asking; and it can be rude.
 * Nothing of the gateway's own code is in it, and a client of @grpc/grpc-js judges it
 * (test/unit/supervisor/spiffe/workload.test.ts).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type GrpcObject,
  loadPackageDefinition,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { derOf, keyDerOf, type SvidAuthority } from './svid-authority.js';
import type { TestCertificate } from './test-certificate.js';

const PROTO = fileURLToPath(new URL('./protos/workloadapi.proto', import.meta.url));
const DEFINITION = loadPackageDefinition(loadSync(PROTO, { keepCase: true })) as GrpcObject;

/** The service, for clients that are not the gateway's own. */
export const WorkloadApi = DEFINITION['SpiffeWorkloadAPI'] as ServiceClientConstructor;

/** X509SVID, as the proto file has it. */
export interface FakeSvid {
  readonly spiffe_id: string;
  readonly x509_svid: Buffer;
  readonly x509_svid_key: Buffer;
  readonly bundle: Buffer;
  readonly hint?: string;
}

/** What the agent says: both messages, or the status that it ends calls with. */
export interface AgentWords {
  readonly svids?: readonly FakeSvid[];
  readonly federated_bundles?: Readonly<Record<string, Buffer>>;
  readonly crl?: readonly Buffer[];
  /** Default: those of the SVIDs and the federated ones. */
  readonly bundles?: Readonly<Record<string, Buffer>>;
  readonly refusal?: { readonly code: status; readonly details: string };
  /** In place of every message: these bytes. */
  readonly raw?: Buffer;
  /** Nothing is said. */
  readonly isSilent?: boolean;
}

type Call = ServerWritableStream<unknown, unknown>;

export class FakeWorkloadApi {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-agent-'));
  readonly socketPath = join(this.folder, 'agent.sock');
  /** Metadata of every call, in order. */
  readonly asked: Metadata[] = [];
  private server: Server | null = null;
  private words: AgentWords = { isSilent: true };
  private readonly calls = { svids: new Set<Call>(), bundles: new Set<Call>() };

  get endpoint(): string {
    return `unix://${this.socketPath}`;
  }

  /** Calls that are open. */
  get open(): number {
    return this.calls.svids.size + this.calls.bundles.size;
  }

  /** Begins to answer; anew after stop(). `address`: default: its Unix socket. */
  async start(address = `unix:${this.socketPath}`): Promise<number> {
    const server = new Server();
    server.addService(rawService(), {
      FetchX509SVID: (call: Call) => this.answer(call, 'svids'),
      FetchX509Bundles: (call: Call) => this.answer(call, 'bundles'),
    } as UntypedServiceImplementation);
    this.server = server;
    return await new Promise((resolve, reject) => {
      server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  /** To all that ask now, and all that will. */
  say(words: AgentWords): void {
    this.words = words;
    for (const subject of ['svids', 'bundles'] as const) {
      for (const call of this.calls[subject]) this.tell(call, subject);
    }
  }

  /** The same message again and again, until the other side has had enough. */
  flood(count: number): void {
    for (let sent = 0; sent < count; sent++) this.say({ ...this.words });
  }

  /** Goes away with all connections, as a process that is killed does. */
  stop(): void {
    this.server?.forceShutdown();
    this.server = null;
    this.calls.svids.clear();
    this.calls.bundles.clear();
  }

  remove(): void {
    this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private answer(call: Call, subject: 'svids' | 'bundles'): void {
    this.asked.push(call.metadata);
    if (call.metadata.get('workload.spiffe.io')[0] !== 'true') {
      end(call, { code: status.INVALID_ARGUMENT, details: 'security header missing' });
      return;
    }
    this.calls[subject].add(call);
    call.on('cancelled', () => this.calls[subject].delete(call));
    call.on('close', () => this.calls[subject].delete(call));
    this.tell(call, subject);
  }

  private tell(call: Call, subject: 'svids' | 'bundles'): void {
    const { refusal, raw, isSilent, ...words } = this.words;
    if (refusal !== undefined) {
      this.calls[subject].delete(call);
      end(call, refusal);
    } else if (raw !== undefined) {
      call.write(raw);
    } else if (isSilent !== true) {
      call.write(subject === 'svids' ? svidsOf(words) : bundlesOf(words));
    }
  }
}

function end(call: Call, refusal: { readonly code: status; readonly details: string }): void {
  call.emit('error', refusal);
}

function svidsOf({ svids = [], federated_bundles = {}, crl = [] }: AgentWords): object {
  return { svids, federated_bundles, crl };
}

function bundlesOf({ svids = [], federated_bundles = {}, crl = [], bundles }: AgentWords): object {
  const own = svids.map(({ spiffe_id, bundle }) => [
    spiffe_id.split('/').slice(0, 3).join('/'),
    bundle,
  ]);
  return { crl, bundles: bundles ?? { ...Object.fromEntries(own), ...federated_bundles } };
}

/** The service, which also sends bytes that are no message. */
function rawService(): ServiceDefinition {
  const service = Object.entries(WorkloadApi.service).map(([name, method]) => {
    const responseSerialize = (value: unknown): Buffer =>
      Buffer.isBuffer(value) ? value : method.responseSerialize(value as never);
    return [name, { ...method, responseSerialize }];
  });
  return Object.fromEntries(service) as ServiceDefinition;
}

/** An SVID as the agent says it. */
export function fakeSvid(
  authority: SvidAuthority,
  path: string,
  { cert, key }: TestCertificate = authority.svid(path),
): FakeSvid {
  return {
    spiffe_id: authority.idOf(path),
    x509_svid: derOf(cert),
    x509_svid_key: keyDerOf(key),
    bundle: authority.bundle,
  };
}
