/** An exchange as the pipeline makes it, with defaults for what the test is not about. */
import { type HttpProtocol, PROTOCOL_HTTP_1_1 } from '../../src/channel/records/request-head.js';
import { Exchange, type ExchangeEpoch } from '../../src/worker/exchange/exchange.js';
import type { KnownHead } from '../../src/worker/exchange/known-heads.js';
import { RequestFields } from '../../src/worker/exchange/request-fields.js';
import { RequestHead } from '../../src/worker/exchange/request-head.js';
import type { WorkerRoute } from '../../src/worker/route/worker-route.js';

export interface ExchangeWish {
  readonly index?: number;
  readonly generation?: number;
  readonly method?: string;
  /** With the query. */
  readonly target?: string;
  readonly peer?: string;
  readonly scheme?: string;
  readonly clientIp?: string;
  /** Default: `id-1`. */
  readonly requestId?: string;
  /** Names in lower case and values, in turn. */
  readonly fields?: readonly string[];
  readonly bodyBytes?: number;
  readonly isComplete?: boolean;
  /** Default: HTTP/1.1. */
  readonly protocol?: HttpProtocol;
  readonly route?: WorkerRoute | null;
  /** A head that was read before, with what is known of it; then `requestId` alone is its own. */
  readonly again?: { readonly head: RequestHead; readonly known: KnownHead | null };
  readonly epoch?: ExchangeEpoch | null;
  readonly onDeadline?: (exchange: Exchange, nowMs: number) => void;
}

/** A request to the path of its target. */
export function makeExchange(wish: ExchangeWish = {}): Exchange {
  const { method = 'GET', target = '/', peer = '192.0.2.7', scheme = 'http', fields = [] } = wish;
  const parts = [method, target, peer, scheme, ...fields];
  const { clientIp = peer, requestId = 'id-1' } = wish;
  const { protocol = PROTOCOL_HTTP_1_1 } = wish;
  const headRecord = { protocol, parts };
  const { again } = wish;
  const head =
    again?.head.again(requestId) ??
    new RequestHead(headRecord, new RequestFields(parts), requestId, clientIp);
  const mark = target.indexOf('?');
  if (again === undefined && mark === -1) head.onPath(target, '');
  else if (again === undefined) head.onPath(target.slice(0, mark), target.slice(mark));
  const { index = 0, generation = 1, bodyBytes = 0, isComplete = true } = wish;
  const record = {
    index,
    generation,
    receivedMs: 0,
    bodyBytes,
    isComplete,
    expectsContinue: false,
    wantsTunnel: false,
    ...headRecord,
    listener: 0,
    known: again?.known ?? null,
  };
  const exchange = new Exchange(record, head, wish.epoch ?? null, wish.onDeadline ?? (() => {}));
  exchange.route = wish.route ?? null;
  return exchange;
}
