/** Which route of a configuration a request comes to, by the table that the workers have. */
import type { GatewayConfig, RouteConfig } from '../../src/config/gateway-config.js';
import {
  compileMatch,
  methodsOfMatch,
  pathExpression,
  pathOfMatch,
} from '../../src/config/references/route-match.js';
import { RoutedView } from '../../src/worker/request/routed-view.js';
import { makeExchange } from './make-exchange.js';
import { routeTableOf } from './route-table.js';

/** `METHOD HOST/PATH NAME: VALUE NAME: VALUE`; null: no route takes it. */
export function findRoute(
  { routes }: Pick<GatewayConfig, 'routes'>,
  request: string,
  listener = 'plain',
): RouteConfig | null {
  const table = routeTableOf(
    routes.map(({ match }, index) => ({
      ...{ index, methods: methodsOfMatch(match) ?? [], ...compileMatch(match) },
      ...placeOf(pathOfMatch(match) ?? ''),
    })),
  );
  const [method = '', url = '', ...pairs] = request.split(' ');
  const slash = url.indexOf('/');
  const fields = ['host', url.slice(0, slash)];
  for (let at = 0; at < pairs.length; at += 2) {
    fields.push((pairs[at] ?? '').replace(':', '').toLowerCase(), pairs[at + 1] ?? '');
  }
  const target = url.slice(slash);
  const { head } = makeExchange({ method, target, fields });
  const view = new RoutedView().of({ fields: head.fields, query: head.query, listener });
  return routes[table.find(method, target.split('?', 1)[0] ?? '', view)] ?? null;
}

function placeOf(path: string): { readonly path: string; readonly expression?: string } {
  const expression = pathExpression(path);
  return expression === undefined ? { path } : { path: '', expression };
}
