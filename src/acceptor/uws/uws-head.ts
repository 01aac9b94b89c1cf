/**
 * Reads the head of a uWebSockets.js request, once, into the text of a REQUEST_HEAD record.
 *
 * Thread: acceptor. The library's request object is valid inside its callback only, and so is this
 * one: a single object serves all requests, one after the other.
 */
import type { HttpRequest } from 'uWebSockets.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { PLAIN_CONNECTION, PROTOCOL_HTTP_1_1 } from '../../channel/records/request-head.js';
import type { ListenerSettings } from '../../config/listener-settings.js';
import type { ClientRequest, EngineHost } from '../client-engine.js';
import type { GuardLimits } from '../listener-rules.js';
import { RequestGuard } from './request-guard.js';

type HeadHost = Pick<EngineHost, 'clock' | 'guardLimits'>;

export class UwsHead implements ClientRequest {
  receivedMs = 0;
  method = '';
  target = '';
  peer = '';
  /** As records/request-head.ts describes it; complete when there is no problem. */
  text = '';
  bodyBytes = 0;
  mustClose = false;
  problem: ProblemKind | null = null;
  /** The guard says no more than the problem. */
  readonly reason = '';
  droppedFields = 0;
  droppedName = '';
  /** The library does not say when a client speaks HTTP/1.0. */
  readonly protocol = PROTOCOL_HTTP_1_1;
  listener = 0;
  /** The library has sent 100 by itself. */
  readonly expectsContinue = false;
  /** The library gives no access to the bytes behind an upgrade: the guard refuses it. */
  readonly wantsTunnel = false;

  private readonly guard: RequestGuard;
  private fields = '';
  private readonly onField = (name: string, value: string): void => {
    if (this.guard.field(name, value)) this.fields += `\n${name}\n${value}`;
  };

  constructor(limits: GuardLimits, { underscores }: ListenerSettings) {
    this.guard = new RequestGuard(limits, underscores);
  }

  // Hot path (bench/gateway/plain-get): once for every request.
  read(req: HttpRequest, peer: string, host: HeadHost, settings: ListenerSettings): void {
    const { guard } = this;
    this.receivedMs = host.clock.nowMs();
    this.listener = settings.index;
    guard.limits = host.guardLimits;
    guard.underscores = settings.underscores;
    this.peer = peer;
    // getMethod() would lower-case the name in place.
    this.method = req.getCaseSensitiveMethod();
    const query = req.getQuery() as string | undefined;
    this.target = query === undefined ? req.getUrl() : `${req.getUrl()}?${query}`;
    this.fields = '';
    guard.begin(this.method, this.target);
    req.forEach(this.onField);
    const isWhole = !guard.hasObsText || this.rereadObsText(req);
    this.problem = isWhole ? guard.finish() : PROBLEMS.badField;
    this.text = `${this.method}\n${this.target}\n${peer}\n${PLAIN_CONNECTION}${this.fields}`;
    this.bodyBytes = guard.bodyBytes;
    this.mustClose = guard.mustClose;
    this.droppedFields = guard.droppedFields;
    this.droppedName = guard.droppedName;
  }

  /** For a request that begins later than its head was read. */
  copy(): ClientRequest {
    const { receivedMs, method, target, peer, text, bodyBytes, mustClose, problem } = this;
    const { protocol, listener, expectsContinue, wantsTunnel, reason } = this;
    const { droppedFields, droppedName } = this;
    const request = { receivedMs, method, target, peer, text, bodyBytes, mustClose, problem };
    const origin = { protocol, listener, expectsContinue, wantsTunnel };
    return { ...request, ...origin, reason, droppedFields, droppedName };
  }

  /**
   * The library decodes values as UTF-8 and loses bytes that are not; getHeader() gives them as
   * latin-1, but only of the first field of a name. Such a field that is repeated is refused.
   */
  private rereadObsText(req: HttpRequest): boolean {
    const counts = new Map<string, number>();
    const parts = this.fields.split('\n');
    for (let at = 1; at < parts.length; at += 2) {
      const name = parts[at] ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    let fields = '';
    for (let at = 1; at < parts.length; at += 2) {
      const name = parts[at] ?? '';
      let value = parts[at + 1] ?? '';
      if (hasObsText(value)) {
        if (counts.get(name) !== 1) return false;
        value = req.getHeader(name);
      }
      fields += `\n${name}\n${value}`;
    }
    this.guard.countBytes(fields.length - this.fields.length);
    this.fields = fields;
    return true;
  }
}

function hasObsText(value: string): boolean {
  for (let at = 0; at < value.length; at++) if (value.charCodeAt(at) > 0x7f) return true;
  return false;
}
