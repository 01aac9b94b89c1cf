/**
 * One health check of one target: a GET that must be answered well, or only a connection.
 *
 * Thread: supervisor (on the main thread). Each probe uses a new connection and closes it: a check
 * over a kept-alive connection would not notice that no new one can be made. A probe ends once,
 * whatever happens, and within the timeout; it reads only the beginning of a body.
 */
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import {
  CHECK_BROKE_OFF,
  CHECK_CERTIFICATE_EXPIRED,
  CHECK_CERTIFICATE_INVALID,
  CHECK_CERTIFICATE_NAME,
  CHECK_CERTIFICATE_PIN,
  CHECK_CERTIFICATE_SELF_SIGNED,
  CHECK_CERTIFICATE_UNTRUSTED,
  CHECK_CONNECT_FAILED,
  CHECK_PASSED,
  CHECK_TIMED_OUT,
  CHECK_TLS_ALERT,
  CHECK_TLS_FAILED,
  CHECK_UNEXPECTED_STATUS,
  type CheckResult,
} from '../channel/coordinator/target-states.js';
import type { CompiledHealthCheck, CompiledTarget } from '../config/compiled-config.js';
import type { UpstreamProtocolName } from '../config/compiled-protocol.js';
import type { CompiledTargetTls } from '../config/compiled-target-tls.js';
import { TargetTls } from '../worker/upstream/target-tls.js';
import {
  handshakeError,
  isCertificateAlert,
  NO_HTTP2,
  TargetTlsError,
  tlsProblem,
} from '../worker/upstream/tls-failure.js';
import type { WorkloadIdentity } from '../worker/upstream/workload-identity.js';
import { healthCall, isServing } from './grpc-probe.js';
import { askOverHttp2, type Http2ProbeReply } from './http2-probe.js';

/** A longer body is not read to its end: the status has decided already. */
const BODY_BYTES_MAX = 16 * 1024;

const USER_AGENT = 'sluice-health-check';

const HTTP1 = 'http/1.1';
const HTTP2 = 'h2';
/** By ALPN, over TLS. */
const OFFERED: Readonly<Record<UpstreamProtocolName, readonly string[]>> = {
  http1: [HTTP1],
  h2: [HTTP2],
  h2c: [],
  auto: [HTTP2, HTTP1],
};

export interface Probe {
  /** Ends the probe. Nobody gets its result. */
  cancel(): void;
}

/** What a probe runs on, as far as the probe must destroy it. */
interface Destroyable {
  destroy(): unknown;
}

/** What is probed. */
export interface ProbedTarget {
  readonly target: CompiledTarget;
  /** As requests to it have it; null: without TLS. */
  readonly tls: CompiledTargetTls | null;
  readonly protocol: UpstreamProtocolName;
  readonly workload: WorkloadIdentity;
}

/** Sends the probe. `onEnded` gets CHECK_PASSED, or why the probe failed, once. */
export function startProbe(
  probed: ProbedTarget,
  rule: CompiledHealthCheck,
  onEnded: (result: CheckResult) => void,
): Probe {
  const ending = new ProbeEnding(rule.timeoutMs, onEnded);
  if (rule.type === 'tcp') probeTcp(probed.target, ending);
  else probeHttp(probed, rule, ending);
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

/** Where the target listens. */
function addressOf({ origin, tls }: CompiledTarget): { host: string; port: number } {
  const { hostname, port } = new URL(origin);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (tls ? 443 : 80) };
}

function probeTcp(target: CompiledTarget, ending: ProbeEnding): void {
  const socket = connect(addressOf(target));
  socket.on('connect', () => ending.end(CHECK_PASSED));
  socket.on('error', () => ending.end(CHECK_CONNECT_FAILED));
  ending.destroyAtEnd(socket);
}

/** The GET goes out when the connection stands: what TLS fails for is told by its socket alone. */
function probeHttp(probed: ProbedTarget, rule: CompiledHealthCheck, ending: ProbeEnding): void {
  const { target } = probed;
  const isCall = rule.type === 'grpc';
  const connection = new ProbeConnection(isCall ? overHttp2(probed) : probed);
  const { socket } = connection;
  // These listeners stay after the probe has ended: an error without one would end the process.
  const onError = (error: Error): void => ending.end(connection.resultOf(error));
  socket.on('error', onError);
  socket.on('close', () => ending.end(connection.resultOf(new Error('closed'))));
  ending.destroyAtEnd(socket);
  const onStatus = (status: number): void =>
    ending.end(isExpected(rule, status) ? CHECK_PASSED : CHECK_UNEXPECTED_STATUS);
  const host = rule.host === '' ? target.authority : rule.host;
  const onBroken = (): void => ending.end(CHECK_BROKE_OFF);
  connection.onReady(() => {
    const scheme = target.tls ? 'https' : 'http';
    if (isCall) {
      const ask = healthCall(rule.service, { authority: host, scheme, userAgent: USER_AGENT });
      const onReply = (reply: Http2ProbeReply): void =>
        ending.end(isServing(reply) ? CHECK_PASSED : CHECK_UNEXPECTED_STATUS);
      askOverHttp2(socket, ask, { onReply, onBroken });
      return;
    }
    if (connection.isHttp2) {
      const place = { scheme, authority: host, path: rule.path } as const;
      const start = { ...place, method: 'GET', protocol: '' } as const;
      const ask = { start, fields: ['user-agent', USER_AGENT], body: null, isWhole: false };
      askOverHttp2(socket, ask, { onReply: ({ status }) => onStatus(status), onBroken });
      return;
    }
    const options: RequestOptions = {
      method: 'GET',
      path: rule.path,
      createConnection: () => socket,
      headers: {
        host,
        'user-agent': USER_AGENT,
        connection: 'close',
      },
    };
    const request = requestHttp(options, (response) => {
      readEnd(response, () => onStatus(response.statusCode ?? 0));
    });
    request.on('error', onError);
    request.end();
  });
}

/** Calls of gRPC go over nothing else. */
function overHttp2(probed: ProbedTarget): ProbedTarget {
  return { ...probed, protocol: probed.target.tls ? 'h2' : 'h2c' };
}

/** The socket of a probe, and how far it has come. */
class ProbeConnection {
  readonly socket: Socket;
  private readonly tls: TargetTls | null;
  private readonly protocol: UpstreamProtocolName;
  private isTcpConnected = false;
  private isConnected = false;

  constructor({ target, tls: settings, protocol, workload }: ProbedTarget) {
    const address = addressOf(target);
    const offered = OFFERED[protocol];
    this.protocol = protocol;
    this.tls =
      settings === null ? null : new TargetTls(settings, target.serverName, offered, workload);
    this.socket =
      this.tls === null ? connect(address) : connectTls({ ...this.tls.options, ...address });
    this.socket.on('connect', () => {
      this.isTcpConnected = true;
    });
  }

  /** As the target has chosen, where it had a choice. */
  get isHttp2(): boolean {
    if (this.tls === null) return this.protocol === 'h2c';
    return (this.socket as TLSSocket).alpnProtocol === HTTP2;
  }

  /** Calls when requests can be sent, and the target is who it should be. */
  onReady(send: () => void): void {
    const { socket, tls } = this;
    socket.on(tls === null ? 'connect' : 'secureConnect', () => {
      const wrong = tls === null ? null : tls.onSecure(socket as TLSSocket, 0);
      const isOther = this.protocol === 'h2' && !this.isHttp2;
      const other = isOther ? new TargetTlsError(NO_HTTP2, 'it speaks no HTTP/2 (ALPN)') : null;
      const mistake = wrong ?? other;
      if (mistake !== null) {
        socket.destroy(mistake);
        return;
      }
      this.isConnected = true;
      send();
    });
  }

  /** What an error says of the target. */
  resultOf(error: Error): CheckResult {
    if (this.tls === null || !this.isTcpConnected) {
      return this.isConnected ? CHECK_BROKE_OFF : CHECK_CONNECT_FAILED;
    }
    if (this.isConnected && !isCertificateAlert(error)) return CHECK_BROKE_OFF;
    const { code } = handshakeError(error) as { readonly code?: unknown };
    const problem = typeof code === 'string' ? tlsProblem(code) : null;
    return (problem === null ? undefined : RESULTS.get(problem)) ?? CHECK_TLS_FAILED;
  }
}

const RESULTS: ReadonlyMap<ProblemKind, CheckResult> = new Map([
  [PROBLEMS.certificateSelfSigned, CHECK_CERTIFICATE_SELF_SIGNED],
  [PROBLEMS.certificateExpired, CHECK_CERTIFICATE_EXPIRED],
  [PROBLEMS.certificateName, CHECK_CERTIFICATE_NAME],
  [PROBLEMS.certificateUntrusted, CHECK_CERTIFICATE_UNTRUSTED],
  [PROBLEMS.certificatePin, CHECK_CERTIFICATE_PIN],
  [PROBLEMS.spiffeId, CHECK_CERTIFICATE_NAME],
  [PROBLEMS.certificateRefused, CHECK_CERTIFICATE_INVALID],
  [PROBLEMS.upstreamTlsAlert, CHECK_TLS_ALERT],
]);

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
