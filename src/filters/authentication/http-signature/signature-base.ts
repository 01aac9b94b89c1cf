/**
 * The text that a signature of a request is made over (RFC 9421 2).
 *
 * Thread: any (pure). What a component is must be known without doubt: parameters that are not
 * known here, components of replies, and query parameters that stand twice are refused.
 */
import { parametersOf, type QueryParameter } from '../../query-parameters.js';
import type { AuthenticationRequest } from '../authenticator.js';
import {
  type InnerList,
  type Item,
  type Parameters,
  parseDictionary,
  textOfItem,
  textOfMember,
} from './structured-fields.js';

/** The text, or why there is none. */
export type SignatureBase = { readonly base: string } | { readonly problem: string };

/** `covered`: the components and the parameters of the signature, as they came. */
export function signatureBaseOf(covered: InnerList, request: AuthenticationRequest): SignatureBase {
  let base = '';
  const seen = new Set<string>();
  for (const item of covered.items) {
    const identifier = textOfItem(item);
    // RFC 9421 2.5: each stands once.
    if (seen.has(identifier)) return { problem: `${identifier} is covered twice` };
    seen.add(identifier);
    const value = componentOf(item, request);
    if (value === null) return { problem: `${identifier} is not known, or not in the request` };
    base += `${identifier}: ${value}\n`;
  }
  return { base: `${base}"@signature-params": ${textOfMember(covered)}` };
}

/** null: there is none, or nobody can tell which. */
function componentOf({ bare, parameters }: Item, request: AuthenticationRequest): string | null {
  if (bare.type !== 'string') return null;
  const name = bare.value;
  if (name === '@query-param') return queryParameter(parameters, request);
  if (!name.startsWith('@')) return fieldValue(name, parameters, request);
  return parameters.size > 0 ? null : derivedOf(name, request);
}

function derivedOf(name: string, request: AuthenticationRequest): string | null {
  const { method, scheme, target } = request;
  const isOrigin = target.startsWith('/');
  switch (name) {
    case '@method':
      return method;
    case '@scheme':
      return scheme.toLowerCase();
    case '@authority':
      return authorityOf(request);
    case '@target-uri':
      return isOrigin ? `${scheme.toLowerCase()}://${authorityOf(request)}${target}` : null;
    case '@request-target':
      return target;
    case '@path':
      return isOrigin ? target.slice(0, queryAt(target)) : null;
    case '@query':
      // RFC 9421 2.2.7: with its question mark, which stands alone where there is no query.
      return target.slice(queryAt(target)) || '?';
    default:
      return null;
  }
}

function queryAt(target: string): number {
  const at = target.indexOf('?');
  return at === -1 ? target.length : at;
}

const DEFAULT_PORTS: Readonly<Record<string, RegExp>> = { http: /:80$/, https: /:443$/ };

/** RFC 9421 2.2.3: in lower case, without the port of the scheme. */
function authorityOf({ scheme, fields }: AuthenticationRequest): string {
  const host = fields.host.toLowerCase();
  const port = DEFAULT_PORTS[scheme.toLowerCase()];
  return port === undefined ? host : host.replace(port, '');
}

/** RFC 9421 2.2.8. */
function queryParameter(parameters: Parameters, { target }: AuthenticationRequest): string | null {
  const wanted = parameters.get('name');
  if (wanted?.type !== 'string' || parameters.size !== 1) return null;
  const found = parametersByName(target).get(wanted.value);
  if (found === undefined || found === TWICE || isBroken(found.text)) return null;
  return encode(found.value);
}

const TWICE = 'twice';
type ByName = ReadonlyMap<string, QueryParameter | typeof TWICE>;

let lastTarget = '';
let lastByName: ByName = new Map();

/** By encoded names. A signature may cover many, and a request have many signatures. */
function parametersByName(target: string): ByName {
  if (target === lastTarget) return lastByName;
  const byName = new Map<string, QueryParameter | typeof TWICE>();
  for (const parameter of parametersOf(target.slice(queryAt(target)))) {
    const name = encode(parameter.name);
    byName.set(name, byName.has(name) ? TWICE : parameter);
  }
  lastTarget = target;
  lastByName = byName;
  return byName;
}

/** Of a broken escape readers make different things. */
function isBroken(text: string): boolean {
  try {
    decodeURIComponent(text);
    return false;
  } catch {
    return true;
  }
}

/** The percent-encoding of forms (WHATWG URL), with `%20` for a blank. */
function encode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1).replaceAll('+', '%20');
}

const FIELD_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;

/** RFC 9421 2.1. `sf` needs to know what kind each field is, and is not known here. */
function fieldValue(
  name: string,
  parameters: Parameters,
  request: AuthenticationRequest,
): string | null {
  const { fields } = request;
  if (!FIELD_NAME.test(name)) return null;
  // How the body was framed ends at the gateway, and its length is the same.
  if (name === 'content-length')
    return parameters.size > 0 ? null : String(request.wholeBody().length);
  const values = fields.values(name);
  if (values.length === 0) return null;
  if (parameters.size === 0) return values.map((value) => value.trim()).join(', ');
  if (parameters.size > 1) return null;
  const key = parameters.get('key');
  if (key?.type === 'string') {
    const member = parseDictionary(values)?.get(key.value);
    return member === undefined ? null : textOfMember(member);
  }
  const isWrapped = parameters.get('bs');
  if (isWrapped?.type !== 'boolean' || !isWrapped.value) return null;
  return values.map((value) => `:${base64(value.trim())}:`).join(', ');
}

/** Fields are bytes, one in each character. */
function base64(value: string): string {
  return Buffer.from(value, 'latin1').toString('base64');
}
