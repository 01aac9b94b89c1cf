/**
 * The request of a stream, as the acceptor takes it in.
 *
 * Thread: acceptor. One object serves all requests of a connection.
 */
import type { ProblemKind } from '../../base/problems.js';
import { WINDOW_BYTES } from '../../channel/lane.js';
import { PROTOCOL_HTTP_2 } from '../../channel/records/request-head.js';
import type { Http2RequestHead } from '../../wire/http2/request-fields.js';
import type { ClientRequest } from '../client-engine.js';

export class Http2Request implements ClientRequest {
  readonly protocol = PROTOCOL_HTTP_2;
  /** Where a request ends is never in doubt. */
  readonly mustClose = false;
  method = '';
  target = '';
  text = '';
  headNumber = 0;
  bodyBytes = 0;
  expectsContinue = false;
  wantsTunnel = false;
  replyWindow = WINDOW_BYTES;
  problem: ProblemKind | null = null;
  reason = '';
  droppedFields = 0;
  droppedName = '';
  receivedMs = 0;
  listener = 0;

  constructor(readonly peer: string) {}

  take(head: Http2RequestHead): void {
    this.method = head.method;
    this.target = head.target;
    this.text = head.text;
    this.headNumber = head.number;
    this.bodyBytes = head.bodyBytes;
    this.expectsContinue = head.expectsContinue;
    this.wantsTunnel = head.wantsTunnel;
    this.problem = head.problem;
    this.reason = head.reason;
    this.droppedFields = head.droppedFields;
    this.droppedName = head.droppedName;
  }

  refuse(problem: ProblemKind, reason: string): void {
    if (this.problem !== null) return;
    this.problem = problem;
    this.reason = reason;
  }
}
