/**
 * One health check of one target: a GET that must be answered well, or only a connection.
 *
 * Thread: supervisor (on the main thread). Each probe uses a new connection and closes it: a check
 * over a kept-alive connection would not notice that no new one can be made. A probe ends once,
 * whatever happens, and within the timeout; it reads only the beginning of a body.
 */
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect } from 'node:net';
import {
  CHECK_BROKE_OFF,
  CHECK_CONNECT_FAILED,
  CHECK_PASSED,
  CHECK_TIMED_OUT,
  CHECK_UNEXPECTED_STATUS,
  type CheckResult,
} from '../channel/coordinator/target-states.js';
import type { CompiledHealthCheck, CompiledTarget } from '../config/compiled-config.js';

/** A longer body is not read to its end: the status has decided already. */
const BODY_BYTES_MAX = 16 * 1024;

const USER_AGENT = 'sluice-health-check';

export interface Probe {
  /** Ends the probe. Nobody gets its result. */
  cancel(): void;
}

/** What a probe runs on, as far as the probe must destroy it. */
interface Destroyable {
  destroy(): unknown;
}

/** Sends the probe. `onEnded` gets CHECK_PASSED, or why the probe failed, once. */
export function startProbe(
  target: CompiledTarget,
  rule: CompiledHealthCheck,
  onEnded: (result: CheckResult) => void,
): Probe {
  const ending = new ProbeEnding(rule.timeoutMs, onEnded);
  if (rule.type === 'tcp') probeTcp(target, ending);
  else probeHttp(target, rule, ending);
  return ending;
}

class ProbeEnding implements Probe {
  private connection: Destroyable | null = null;
  private hasEnded = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    timeoutMs: number,
    private readonly onEnded: (result: CheckResult) => void,
  ) {
    this.timer = setTimeout(() => this.end(CHECK_TIMED_OUT), timeoutMs);
    this.timer.unref();
  }

  destroyAtEnd(connection: Destroyable): void {
    this.connection = connection;
  }

  end(result: CheckResult): void {
    if (this.close()) this.onEnded(result);
  }

  cancel(): void {
    this.close();
  }

  private close(): boolean {
    if (this.hasEnded) return false;
    this.hasEnded = true;
    clearTimeout(this.timer);
    this.connection?.destroy();
    return true;
  }
}

function probeTcp(target: CompiledTarget, ending: ProbeEnding): void {
  const { hostname, port } = new URL(target.origin);
  const fallback = target.tls ? 443 : 80;
  const socket = connect({ host: withoutBrackets(hostname), port: Number(port) || fallback });
  socket.on('connect', () => ending.end(CHECK_PASSED));
  socket.on('error', () => ending.end(CHECK_CONNECT_FAILED));
  ending.destroyAtEnd(socket);
}

function probeHttp(target: CompiledTarget, rule: CompiledHealthCheck, ending: ProbeEnding): void {
  const options: RequestOptions = {
    method: 'GET',
    path: rule.path,
    agent: false,
    headers: {
      host: rule.host === '' ? target.authority : rule.host,
      'user-agent': USER_AGENT,
      connection: 'close',
    },
  };
  const send = target.tls ? requestHttps : requestHttp;
  let isConnected = false;
  const request = send(new URL(target.origin), options, (response) => {
    const passed = isExpected(rule, response.statusCode ?? 0);
    readEnd(response, () => ending.end(passed ? CHECK_PASSED : CHECK_UNEXPECTED_STATUS));
  });
  request.on('socket', (socket) => {
    socket.once(target.tls ? 'secureConnect' : 'connect', () => {
      isConnected = true;
    });
  });
  // The listener stays after the probe has ended: an error without a listener would end the
  // process.
  request.on('error', () => ending.end(isConnected ? CHECK_BROKE_OFF : CHECK_CONNECT_FAILED));
  ending.destroyAtEnd(request);
  request.end();
}

/** Calls back when the body has ended, was cut off, or is longer than BODY_BYTES_MAX. */
function readEnd(response: IncomingMessage, onRead: () => void): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) onRead();
  });
  response.on('end', onRead);
  response.on('error', onRead);
  response.on('close', onRead);
}

function isExpected(rule: CompiledHealthCheck, status: number): boolean {
  return rule.expectedStatuses.some(([first, last]) => status >= first && status <= last);
}

function withoutBrackets(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}
