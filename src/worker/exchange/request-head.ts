/**
 * The head of a request as it was read, and what routing has made of its target.
 *
 * Thread: worker. Made when the head is read; the path and the parameters come with routing. After
 * that nothing of it changes.
 */
import {
  connectionFacts,
  HEAD_CONNECTION,
  HEAD_METHOD,
  HEAD_PEER,
  HEAD_TARGET,
  type HttpProtocol,
} from '../../channel/records/request-head.js';
import { mergeSlashes } from '../../routing/normalize-path.js';
import type { PathParams } from '../../routing/route-table.js';
import { stripPathPrefix, stripSentPrefix } from '../../routing/strip-prefix.js';
import type { RequestFields } from './request-fields.js';

const NO_PARAMS: PathParams = Object.freeze({});

/** What the lane says of a head. */
export interface RequestHeadRecord {
  readonly protocol: HttpProtocol;
  /** The listener's row. */
  readonly listener: number;
  /** Method, target, peer, connection, then names and values of fields in turn. */
  readonly parts: readonly string[];
}

/** What a head knows of the listener that it came to. */
export interface HeadListener {
  readonly name: string;
  readonly proxies: { readonly trustedProxies: { includes(address: string): boolean } };
}

const NOWHERE: HeadListener = {
  name: '',
  proxies: { trustedProxies: { includes: () => false } },
};

export class RequestHead {
  readonly method: string;
  /** As the client sent it, with the query. */
  readonly target: string;
  /** Address of the other end of the connection; '' when it is not known. */
  readonly peer: string;
  /** Of the connection. */
  readonly scheme: string;
  /** What the client's certificate says (base/client-certificate.ts); '': it has none. */
  readonly certificate: string;
  /** In which the client asked, as far as a trusted proxy tells; else that of the connection. */
  clientScheme: string;
  /** The version of HTTP that the request came in. */
  readonly protocol: HttpProtocol;
  /** Normalised, without the query; '' until the target has been read. */
  path = '';
  /** The same with the version that a route takes in front of it. */
  routedPath = '';
  /** The spelling that the target gets: the same segments, and empty ones between them. */
  sentPath = '';
  /** With its question mark, or ''. */
  query = '';
  /** What the route's path took out of the request's, decoded. */
  params: PathParams = NO_PARAMS;
  private cameTo: HeadListener = NOWHERE;

  constructor(
    private readonly record: Pick<RequestHeadRecord, 'parts' | 'protocol'>,
    readonly fields: RequestFields,
    readonly requestId: string,
    /** Behind trusted proxies; '' when it is not known. */
    readonly clientIp: string,
  ) {
    const { parts, protocol } = record;
    this.method = parts[HEAD_METHOD] ?? '';
    this.target = parts[HEAD_TARGET] ?? '';
    this.peer = parts[HEAD_PEER] ?? '';
    this.protocol = protocol;
    const connection = connectionFacts(parts[HEAD_CONNECTION] ?? '');
    this.scheme = connection.scheme;
    this.certificate = connection.certificate;
    this.clientScheme = this.scheme;
  }

  /** Name of the listener; '': it has gone since. */
  get listener(): string {
    return this.cameTo.name;
  }

  /** Whether the other end of the connection is a proxy whose word is believed there. */
  get isPeerTrusted(): boolean {
    return this.cameTo.proxies.trustedProxies.includes(this.peer);
  }

  // Hot path (bench/gateway/plain-get): once for every request whose head is known.
  /** The same head, routed as far as this one, of another request. */
  again(requestId: string): RequestHead {
    const next = new RequestHead(this.record, this.fields.again(), requestId, this.clientIp);
    next.clientScheme = this.clientScheme;
    next.path = this.path;
    next.routedPath = this.routedPath;
    next.sentPath = this.sentPath;
    next.query = this.query;
    next.params = this.params;
    next.cameTo = this.cameTo;
    return next;
  }

  /** The same request, of this method, whose fields can be changed apart. */
  copyAs(method: string): RequestHead {
    const copy: RequestHead = Object.create(RequestHead.prototype);
    return Object.assign(copy, this, { method, fields: this.fields.again() });
  }

  /** The request came to this listener. */
  onListener(listener: HeadListener): void {
    this.cameTo = listener;
  }

  /** A trusted proxy tells in which scheme the client asked it. */
  onClientScheme(scheme: string): void {
    this.clientScheme = scheme;
  }

  /** The target has one reading. `sentPath`: as the client wrote it, if that can be sent. */
  onPath(path: string, query: string, sentPath = path): void {
    this.path = path;
    this.routedPath = path;
    this.sentPath = sentPath;
    this.query = query;
  }

  /** The route's target wants no empty segments. */
  mergeSlashes(): void {
    this.sentPath = mergeSlashes(this.sentPath);
  }

  /** What of the query is for the gateway alone is gone. */
  onQuery(query: string): void {
    this.query = query;
  }

  /** A path of the route table takes the request. */
  onMatch(params: PathParams): void {
    this.params = params;
  }

  /** The route takes a version in front of the path, which its target does not get. */
  dropPrefix(prefix: string): void {
    const { path, sentPath } = this;
    this.sentPath = stripSentPrefix(prefix, path, sentPath);
    this.path = stripPathPrefix(prefix, path);
  }
}
