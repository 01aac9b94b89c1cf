/**
 * What every gateway under test offers to the bench, whatever it is inside.
 */
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { type ChildProcesses, type RunningChild, waitUntil } from '../support/child-processes.js';
import type { ThreadCpu } from '../support/process-cpu.js';
import { type BenchRequest, OPEN_PREFIX } from './bench-requests.js';

/**
 * `full`: with everything on that the full-pipeline scenario is about. The others have one feature
 * each, which older commits of Sluice may lack.
 */
export type Variant =
  | 'plain'
  | 'full'
  | 'stored'
  | 'grpc'
  | 'packed'
  | 'plugin'
  | 'mirror'
  | 'sockets';

/** What a contender can do besides forwarding. */
export type Ability =
  | 'full-pipeline'
  | 'limit'
  | 'cache'
  | 'grpc'
  | 'compression'
  | 'plugin'
  | 'mirror'
  | 'websocket';

export interface ContenderSetup {
  /** Two ports of one origin, for a gateway that balances. */
  readonly originPorts: readonly [number, number];
  /** The same origin over HTTP/2 in clear text. */
  readonly originHttp2Port: number;
  /** A server of gRPC, over HTTP/2 in clear text. */
  readonly originGrpcPort: number;
  /** A server of WebSockets. */
  readonly originSocketPort: number;
  /** A folder of its own, removed afterwards. */
  readonly folder: string;
  readonly variant: Variant;
}

/** How one process of a contender is started. */
export interface LaunchPlan {
  readonly port: number;
  /** Where it takes calls of gRPC, over HTTP/2 in clear text; absent: nowhere. */
  readonly grpcPort?: number;
  /** Where it takes WebSockets; absent: on `port`. */
  readonly socketPort?: number;
  /** It speaks TLS on that port, with a certificate that nobody has signed. */
  readonly isTls?: boolean;
  /** Empty: there is nothing to start, the origin itself is meant. */
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where its standard output goes; absent: the bench keeps the end of it. */
  readonly outputPath?: string;
  /** Where its metrics are; absent: it shows none. */
  readonly metrics?: { readonly port: number; readonly path: string };
  /** Under which heading the CPU time of a thread is reported; asked once it answers. */
  nameThreads(): Promise<NameThread>;
}

export type NameThread = (thread: ThreadCpu) => string;

export interface Contender {
  readonly name: string;
  readonly abilities: readonly Ability[];
  /** The only ones that it takes part in; absent: all that take it. */
  readonly scenarios?: readonly string[];
  /** Why it cannot run on this machine; empty when it can. */
  missing(): string;
  /** What it says about itself: program and version. */
  version(): string;
  /** Writes its configuration and tells how to start it. */
  plan(setup: ContenderSetup): Promise<LaunchPlan>;
}

export interface RunningContender {
  readonly child: RunningChild;
  readonly port: number;
  readonly grpcPort?: number;
  readonly socketPort?: number;
  readonly isTls: boolean;
  readonly nameThread: NameThread;
  readonly metrics?: LaunchPlan['metrics'];
}

export const HOST = '127.0.0.1';
export const HEALTH_PATH = `${OPEN_PREFIX}/small`;
const HEALTH_DEADLINE_MS = 15_000;
const PROBE_TIMEOUT_MS = 2000;

/** Starts what the plan says and waits until it forwards. */
export async function launch(
  name: string,
  plan: LaunchPlan,
  children: ChildProcesses,
  origin: RunningChild,
): Promise<RunningContender> {
  const { port, grpcPort, socketPort, isTls = false, metrics } = plan;
  const doors = {
    ...{ port, isTls },
    ...(grpcPort === undefined ? {} : { grpcPort }),
    ...(socketPort === undefined ? {} : { socketPort }),
  };
  if (plan.command.length === 0) {
    return { ...doors, child: origin, nameThread: await plan.nameThreads() };
  }
  const child = startPlan(name, plan, children);
  await waitHealthy(child, { port, isTls });
  const nameThread = await plan.nameThreads();
  return { ...doors, child, nameThread, ...(metrics === undefined ? {} : { metrics }) };
}

export function startPlan(name: string, plan: LaunchPlan, children: ChildProcesses): RunningChild {
  const { command, environment, outputPath } = plan;
  return children.start(name, command, {
    environment: environment ?? {},
    ...(outputPath === undefined ? {} : { outputPath }),
  });
}

/** Where a contender listens, and how one speaks with it. */
export interface Door {
  readonly port: number;
  readonly isTls?: boolean;
}

export interface Probe extends Door {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface ProbeReply {
  readonly status: number;
  readonly body: string;
}

/** One request on a connection of its own; rejects after two seconds. */
export function probe(what: Probe): Promise<ProbeReply> {
  const send = what.isTls === true ? secureRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const sent = send(
      {
        host: HOST,
        port: what.port,
        path: what.path,
        method: what.method ?? 'GET',
        headers: { ...what.headers },
        agent: false,
        rejectUnauthorized: false,
        timeout: PROBE_TIMEOUT_MS,
      },
      (reply) => {
        let body = '';
        reply.setEncoding('latin1');
        reply.on('data', (chunk: string) => {
          body += chunk;
        });
        reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body }));
        reply.on('error', reject);
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no reply within ${PROBE_TIMEOUT_MS} ms`)));
    sent.on('error', reject);
    sent.end(what.body ?? '');
  });
}

/** A gateway that answers wrongly may be fast: nothing is measured before one right answer. */
export async function assertRightAnswer(what: BenchRequest, { port, isTls }: Door): Promise<void> {
  const { method, path, body, status, replyBytes } = what;
  const length = body === '' ? {} : { 'Content-Length': String(body.length) };
  const headers = { ...what.headers, ...length };
  const reply = await probe({ port, isTls: isTls === true, method, path, headers, body });
  const isLengthRight = replyBytes < 0 || reply.body.length === replyBytes;
  if (reply.status !== status || !isLengthRight) {
    const said = `${reply.status} and ${reply.body.length} bytes: ${reply.body.slice(0, 200)}`;
    throw new Error(`${method} ${path} is answered with ${said}`);
  }
}

/** Waits until a GET is answered with 200; tells what came instead when it is not. */
async function waitHealthy(child: RunningChild, door: Door): Promise<void> {
  let last = 'nothing';
  const isHealthy = async () => {
    try {
      const { status } = await probe({ ...door, path: HEALTH_PATH });
      last = String(status);
      return status === 200;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
      return false;
    }
  };
  const what = `${child.name} answers GET ${HEALTH_PATH}`;
  try {
    await waitUntil(what, HEALTH_DEADLINE_MS, isHealthy, child);
  } catch (error) {
    await child.stop();
    throw new Error(`${(error as Error).message} (last answer: ${last})`);
  }
}
