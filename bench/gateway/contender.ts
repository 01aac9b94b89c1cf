/**
 * What every gateway under test offers to the bench, whatever it is inside.
 */
import { request } from 'node:http';
import { type ChildProcesses, type RunningChild, waitUntil } from '../support/child-processes.js';
import type { ThreadCpu } from '../support/process-cpu.js';

export interface ContenderSetup {
  readonly children: ChildProcesses;
  readonly originPort: number;
  /** A folder of its own, removed afterwards. */
  readonly folder: string;
  readonly origin: RunningChild;
}

export interface RunningContender {
  readonly child: RunningChild;
  readonly port: number;
  /** What it says about itself: program and version. */
  readonly version: string;
  /** Under which heading the CPU time of one of its threads is reported. */
  nameThread(thread: ThreadCpu): string;
}

export interface Contender {
  readonly name: string;
  /** Why it cannot run on this machine; empty when it can. */
  missing(): string;
  start(setup: ContenderSetup): Promise<RunningContender>;
}

export const HOST = '127.0.0.1';
const HEALTH_DEADLINE_MS = 15_000;
const PROBE_TIMEOUT_MS = 2000;

export interface Probe {
  readonly port: number;
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
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: HOST,
        port: what.port,
        path: what.path,
        method: what.method ?? 'GET',
        headers: { ...what.headers },
        agent: false,
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

/** Waits until a GET of `path` is answered with 200; tells what came instead when it is not. */
export async function waitHealthy(child: RunningChild, port: number, path: string): Promise<void> {
  let last = 'nothing';
  const isHealthy = async () => {
    try {
      const { status } = await probe({ port, path });
      last = String(status);
      return status === 200;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
      return false;
    }
  };
  try {
    await waitUntil(`${child.name} answers GET ${path}`, HEALTH_DEADLINE_MS, isHealthy, child);
  } catch (error) {
    await child.stop();
    throw new Error(`${(error as Error).message} (last answer: ${last})`);
  }
}
