/**
 * What is known of an exchange that is a call of gRPC, or of gRPC-Web.
 *
 * Thread: worker. Made with the exchange, from its content type, whichever route takes it: every
 * client of gRPC is to understand its refusals. Written by what reads the route, the messages and
 * the reply.
 */
import { type HttpProtocol, PROTOCOL_HTTP_2 } from '../../channel/records/request-head.js';
import {
  DIALECT_GRPC,
  DIALECT_JSON,
  DIALECT_WEB_TEXT,
  type GrpcDialect,
  grpcDialectOf,
} from '../../wire/grpc/content-type.js';
import { formatGrpcTimeout, parseGrpcTimeout } from '../../wire/grpc/grpc-timeout.js';
import { MessageScanner } from '../../wire/grpc/message-scanner.js';
import type { RequestHead } from './request-head.js';

/** No status is known. */
export const NO_GRPC_STATUS = -1;

const NEVER_MS = Number.POSITIVE_INFINITY;

/** Largest messages of a call. */
export interface MessageBounds {
  readonly maxRequestMessageBytes: number;
  readonly maxReplyMessageBytes: number;
}

export class GrpcCall {
  /** `package.Service`; '': the path is not that of a method. */
  service = '';
  method = '';
  /** What the client gets, or NO_GRPC_STATUS. */
  status = NO_GRPC_STATUS;
  /** When the client stops waiting, or the route lets it; NEVER_MS: it did not say. */
  deadlineMs = NEVER_MS;
  /** The deadline is that of the route, and not an earlier one of the client. */
  isRoutesDeadline = false;
  /** The target gets a client of gRPC-Web as one of gRPC. */
  isTranslated = false;
  /** null: messages are not bounded, and nobody looks at them. */
  private bounds: MessageBounds | null = null;
  private readonly sent = new MessageScanner();
  private received = new MessageScanner();

  constructor(
    readonly dialect: GrpcDialect,
    /** Of the request, as it came. */
    readonly contentType: string,
    private readonly protocol: HttpProtocol,
  ) {}

  /** What the target says is gRPC; else it is for the client of gRPC-Web alone. */
  get isTargets(): boolean {
    return this.dialect === DIALECT_GRPC || this.isTranslated;
  }

  /** The client reads statuses of gRPC; else it gets refusals as one of HTTP does. */
  get isClients(): boolean {
    return this.dialect !== DIALECT_JSON;
  }

  /** A status can follow what the client has of its reply. */
  get hasTrailers(): boolean {
    return this.dialect === DIALECT_GRPC ? this.protocol === PROTOCOL_HTTP_2 : this.isTranslated;
  }

  /** The route translates between its client and its target. */
  translate(): void {
    this.isTranslated = true;
  }

  /** The client waits until then. */
  onDeadline(deadlineMs: number): void {
    this.deadlineMs = deadlineMs;
  }

  /** The route lets nobody wait any longer. */
  endBy(deadlineMs: number): void {
    if (deadlineMs > this.deadlineMs) return;
    this.deadlineMs = deadlineMs;
    this.isRoutesDeadline = true;
  }

  /** The request's path, which may name a method. */
  onPath(path: string): void {
    const end = path.lastIndexOf('/');
    if (end <= 0) return;
    this.service = path.slice(path.lastIndexOf('/', end - 1) + 1, end);
    this.method = path.slice(end + 1);
  }

  boundMessages(bounds: MessageBounds): void {
    this.bounds = bounds;
  }

  /** More of the request. False: a message of it is too long. */
  scanRequest(bytes: Uint8Array): boolean {
    // A body in base64 is judged as a whole.
    if (this.bounds === null || this.dialect === DIALECT_WEB_TEXT) return true;
    return this.sent.scan(bytes, this.bounds.maxRequestMessageBytes);
  }

  /** More of the reply. False: a message of it is too long. */
  scanReply(bytes: Uint8Array): boolean {
    if (this.bounds === null || (this.dialect === DIALECT_WEB_TEXT && !this.isTranslated)) {
      return true;
    }
    return this.received.scan(bytes, this.bounds.maxReplyMessageBytes);
  }

  /** The reply that had begun goes nowhere: what was seen of it counts no more. */
  onReplyTakenBack(): void {
    this.received = new MessageScanner();
    this.status = NO_GRPC_STATUS;
  }

  /** The reply ends with this. */
  onStatus(status: number): void {
    this.status = status;
  }

  /** The value of grpc-timeout for a target that gets the request now; '': none. */
  timeoutLeft(nowMs: number): string {
    return this.deadlineMs === NEVER_MS ? '' : formatGrpcTimeout(this.deadlineMs - nowMs);
  }
}

/** A request with JSON that its target gets as a call of this path. */
export function jsonCall(path: string, { protocol }: Pick<RequestHead, 'protocol'>): GrpcCall {
  const call = new GrpcCall(DIALECT_JSON, '', protocol);
  call.translate();
  call.onPath(path);
  return call;
}

type CallHead = Pick<RequestHead, 'method' | 'fields' | 'protocol'>;

/** null: the request is none of gRPC. */
export function grpcCallOf({ method, fields, protocol }: CallHead): GrpcCall | null {
  if (method !== 'POST') return null;
  const contentType = fields.value('content-type');
  const dialect = grpcDialectOf(contentType);
  if (dialect === 0) return null;
  return new GrpcCall(dialect, contentType, protocol);
}

/** How long the client waits in milliseconds; NaN: it says that in a wrong way. */
export function clientTimeoutMs({ fields }: Pick<RequestHead, 'fields'>): number {
  const [text = '', second] = fields.values('grpc-timeout');
  if (text === '') return NEVER_MS;
  return second === undefined ? parseGrpcTimeout(text) : Number.NaN;
}
