/**
 * The filters of a rule of an HTTPRoute.
 *
 * Thread: any (pure). A filter that is not known is a problem of its rule, and never passed over.
 */
import { isPlainText } from '../../base/template-text.js';
import type { RewriteFieldsConfig } from '../gateway-config.js';
import { asciiHost } from '../references/route-match.js';
import { type KubeJson, listAt, recordAt, textAt, textsAt } from './kube-json.js';

export interface RouteRedirect {
  /** '': that of the listener. */
  readonly scheme: string;
  /** '': that of the request. */
  readonly hostname: string;
  /** 0: that of the scheme, or of the listener. */
  readonly port: number;
  readonly path: PathChange | null;
  readonly status: number;
}

export interface PathChange {
  readonly kind: 'full' | 'prefix';
  readonly text: string;
}

export interface RouteMirror {
  readonly backend: KubeJson;
  readonly percent: number;
}

export interface RuleFilters {
  readonly requestFields: RewriteFieldsConfig | null;
  readonly replyFields: RewriteFieldsConfig | null;
  readonly redirect: RouteRedirect | null;
  readonly path: PathChange | null;
  readonly mirror: RouteMirror | null;
}

type Say = (problem: string) => void;

const STATUSES: readonly unknown[] = [301, 302, 303, 307, 308];
const STATUS = 302;

/** What is wrong goes to `say`; the rule is not to be used then. */
export function filtersOf(rule: KubeJson, say: Say): RuleFilters {
  const filters = listAt(rule, 'filters');
  const byType = new Map<string, KubeJson>();
  for (const filter of filters) {
    const type = textAt(filter, 'type');
    const field = FIELDS.get(type);
    if (field === undefined) say(`the filter ${type} is not supported`);
    else if (byType.has(type)) say(`several filters ${type} in one rule are not supported`);
    else byType.set(type, recordAt(filter, field));
  }
  const request = byType.get('RequestHeaderModifier');
  const reply = byType.get('ResponseHeaderModifier');
  const redirect = byType.get('RequestRedirect');
  const rewrite = byType.get('URLRewrite');
  const mirror = byType.get('RequestMirror');
  if (rewrite?.['hostname'] !== undefined) say('URLRewrite.hostname is not supported');
  return {
    requestFields: request === undefined ? null : fieldsOf(request, say),
    replyFields: reply === undefined ? null : fieldsOf(reply, say),
    redirect: redirect === undefined ? null : redirectOf(redirect, say),
    path: rewrite === undefined ? null : pathChangeOf(rewrite, say),
    mirror: mirror === undefined ? null : mirrorOf(mirror, say),
  };
}

/** Where each type has its settings. */
const FIELDS: ReadonlyMap<string, string> = new Map([
  ['RequestHeaderModifier', 'requestHeaderModifier'],
  ['ResponseHeaderModifier', 'responseHeaderModifier'],
  ['RequestRedirect', 'requestRedirect'],
  ['URLRewrite', 'urlRewrite'],
  ['RequestMirror', 'requestMirror'],
]);

function fieldsOf(filter: KubeJson, say: Say): RewriteFieldsConfig {
  const set = valuesOf(listAt(filter, 'set'), say);
  const add = valuesOf(listAt(filter, 'add'), say);
  const remove = [...new Set(textsAt(filter, 'remove').map((name) => name.toLowerCase()))];
  return {
    ...(Object.keys(set).length > 0 && { set }),
    ...(Object.keys(add).length > 0 && { add }),
    ...(remove.length > 0 && { remove }),
  };
}

/** Of several with one name the first one counts. */
function valuesOf(list: readonly KubeJson[], say: Say): Record<string, string> {
  const values = new Map<string, string>();
  for (const one of list) {
    const [name, value] = [textAt(one, 'name').toLowerCase(), textAt(one, 'value')];
    // In a configuration such a text stands for a value of the request.
    if (!isPlainText(value)) say(`the value ${JSON.stringify(value)} of ${name} is not supported`);
    if (!values.has(name)) values.set(name, value);
  }
  return Object.fromEntries(values);
}

function redirectOf(filter: KubeJson, say: Say): RouteRedirect {
  const { port, statusCode = STATUS } = filter;
  const scheme = textAt(filter, 'scheme');
  const hostname = textAt(filter, 'hostname');
  if (!['', 'http', 'https'].includes(scheme)) say(`a redirect to ${scheme} is not supported`);
  if (!STATUSES.includes(statusCode)) say(`redirects with ${String(statusCode)} are not supported`);
  const ascii = hostname === '' ? '' : asciiHost(hostname);
  if (ascii === undefined || ascii.startsWith('*')) say(`${hostname} is no name of a host`);
  return {
    ...{ scheme, hostname: ascii ?? '' },
    port: typeof port === 'number' ? port : 0,
    path: pathChangeOf(filter, say),
    status: typeof statusCode === 'number' ? statusCode : STATUS,
  };
}

function pathChangeOf(filter: KubeJson, say: Say): PathChange | null {
  if (filter['path'] === undefined) return null;
  const path = recordAt(filter, 'path');
  const type = textAt(path, 'type');
  const isFull = type === 'ReplaceFullPath';
  if (!isFull && type !== 'ReplacePrefixMatch') say(`paths by ${type} are not supported`);
  const text = textAt(path, isFull ? 'replaceFullPath' : 'replacePrefixMatch') || '/';
  if (!text.startsWith('/') || !isPlainText(text) || /[^!-~]/.test(text)) {
    say(`the path ${JSON.stringify(text)} is not supported`);
  }
  return isFull ? { kind: 'full', text } : { kind: 'prefix', text: text.replace(/\/+$/, '') };
}

function mirrorOf(filter: KubeJson, say: Say): RouteMirror {
  const { percent, fraction } = filter;
  const backend = recordAt(filter, 'backendRef');
  if (fraction === undefined)
    return { backend, percent: typeof percent === 'number' ? percent : 100 };
  const { numerator, denominator = 100 } = recordAt(filter, 'fraction');
  const part = (100 * Number(numerator)) / Number(denominator);
  if (!(part >= 0 && part <= 100)) say('the fraction of RequestMirror makes no sense');
  return { backend, percent: part };
}
