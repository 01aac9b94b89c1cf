/**
 * Answers an ACME server that looks whether a name is ours (RFC 8555 8.3), at listeners without
 * TLS.
 *
 * Thread: acceptor. Only tokens of orders that are under way are answered: every other request goes
 * its usual way.
 */
import { field, joinFields } from '../base/field-block.js';
import { FLAG_END } from '../channel/records/record-kind.js';
import type { ClientListener, ClientRequest, ClientSocket } from './client-engine.js';

const PREFIX = '/.well-known/acme-challenge/';
const FIELDS = joinFields(
  field('Content-Type', 'application/octet-stream'),
  field('Cache-Control', 'no-store'),
);

export function isChallenge(
  { method, target, problem, bodyBytes }: ClientRequest,
  answers: ReadonlyMap<string, string>,
): boolean {
  if (method !== 'GET' || problem !== null || bodyBytes !== 0) return false;
  return target.startsWith(PREFIX) && answers.has(target.slice(PREFIX.length));
}

export function answerChallenge(
  { target }: ClientRequest,
  socket: ClientSocket,
  answers: ReadonlyMap<string, string>,
  requestId: string,
): void {
  const inlineBody = Buffer.from(answers.get(target.slice(PREFIX.length)) ?? '', 'latin1');
  socket.attach(NOBODY);
  const head = {
    ...{ status: 200, flags: FLAG_END, bodyBytes: inlineBody.length, inlineBody },
    ...{ idBytes: requestId.length, text: Buffer.from(requestId + FIELDS, 'latin1') },
  };
  socket.sendHead(head, 'announced');
}

/** The reply is complete at once: nothing that happens later matters. */
const NOBODY: ClientListener = {
  isConversation: false,
  onData() {},
  onTrailers() {},
  onSent() {},
  onDone() {},
  onRefused() {},
  onAborted() {},
};
