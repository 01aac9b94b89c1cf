/**
 * The tunnels of a worker: makes one for each request that asks for it.
 *
 * Thread: worker. Owns nothing: a tunnel belongs to its exchange.
 */
import { randomBytes } from 'node:crypto';
import type { LocalReply } from '../../filters/local-reply.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import { judgeHandshake, webSocketRulesOf } from './handshake.js';
import { Tunnel, type TunnelParts } from './tunnel.js';

const KEY = 'sec-websocket-key';
const KEY_BYTES = 16;

export class Tunnels {
  constructor(private readonly parts: TunnelParts) {}

  /** null: the exchange has its tunnel, which its target may open. Else what the client gets. */
  prepare(exchange: Exchange): LocalReply | null {
    const { head } = exchange;
    const { config, hides } = routeOf(exchange);
    const rules = webSocketRulesOf(config);
    const refused = judgeHandshake(head, rules, hides);
    if (refused !== null) return refused;
    const sent = head.fields.value(KEY);
    const key = sent === '' ? randomBytes(KEY_BYTES).toString('base64') : sent;
    // It goes out with what opens the tunnel, and not over HTTP/2.
    head.fields.replacePlain(KEY, '');
    exchange.tunnel = new Tunnel(exchange, key, rules, this.parts);
    return null;
  }
}
