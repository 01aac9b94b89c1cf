/**
 * Where a request has its token or key: a field, a cookie, a parameter of the query, a subprotocol.
 *
 * Thread: any (pure). `limits.headerBytes` bounds what is found. Invariant: of two values in one
 * place none is taken, since the service behind the gateway could read the other.
 */
import { parametersOf } from '../query-parameters.js';
import type { AuthenticationRequest } from './authenticator.js';
import { bearerToken, dpopToken } from './bearer-token.js';
import type { CredentialPlace } from './options.js';

/** Where credentials are looked for, and which of them the target gets. */
export interface CredentialRule {
  /** In the order in which they are looked at: the first that has something counts. */
  readonly from: readonly CredentialPlace[];
  /** The target gets an Authorization field that was accepted. */
  readonly forwardCredentials: boolean;
  /** It gets what stands in other places, too. */
  readonly forwardPlaces: boolean;
}

export class Credentials {
  readonly readsAuthorization: boolean;
  /** Fields that the target does not get, lower case. */
  readonly hiddenFields: readonly string[];
  /** Cookies and parameters of the query that it does not get. */
  readonly hides: readonly CredentialPlace[];

  /** `isBearer`: in a field they stand after the word Bearer, in Authorization also after DPoP. */
  constructor(
    private readonly rule: CredentialRule,
    private readonly isBearer: boolean,
  ) {
    this.readsAuthorization = rule.from.some(isAuthorization);
    const hidden = rule.forwardPlaces ? [] : rule.from.filter((place) => !isAuthorization(place));
    this.hiddenFields = hidden.filter(({ kind }) => kind === 'header').map(({ name }) => name);
    this.hides = hidden.filter(({ kind }) => kind !== 'header');
  }

  /** '': there are none; null: there are several in one place. */
  read(request: AuthenticationRequest): string | null {
    for (const place of this.rule.from) {
      const text = this.textAt(place, request);
      if (text !== '') return text;
    }
    return '';
  }

  /** Whether what {@link read} has found stands in Authorization. */
  usesAuthorization(request: AuthenticationRequest): boolean {
    if (this.rule.from.length === 1) return this.readsAuthorization;
    const found = this.rule.from.find((place) => this.textAt(place, request) !== '');
    return found !== undefined && isAuthorization(found);
  }

  private textAt(place: CredentialPlace, request: AuthenticationRequest): string | null {
    if (isAuthorization(place)) {
      const { authorization } = request.fields;
      return bearerToken(authorization) || (this.isBearer ? dpopToken(authorization) : '');
    }
    const [text = '', another] = valuesAt(place, request);
    if (another !== undefined) return null;
    const isAfterWord = this.isBearer && place.kind === 'header';
    return isAfterWord ? bearerToken(text) || text.trim() : text;
  }
}

function isAuthorization({ kind, name }: CredentialPlace): boolean {
  return kind === 'header' && name === 'authorization';
}

function valuesAt(
  { kind, name }: CredentialPlace,
  { fields, routedTarget: target }: AuthenticationRequest,
): readonly string[] {
  if (kind === 'header') return fields.values(name);
  if (kind === 'subprotocol') return subprotocolsOf(fields, name);
  if (kind === 'cookie') return fields.values('cookie').flatMap((field) => cookiesOf(field, name));
  const mark = target.indexOf('?');
  if (mark === -1) return [];
  return parametersOf(target.slice(mark))
    .filter((parameter) => parameter.name === name)
    .map(({ value }) => value);
}

/** What stands behind the prefix in what a client offers (RFC 6455 11.3.4). */
function subprotocolsOf(fields: AuthenticationRequest['fields'], prefix: string): string[] {
  return fields
    .values('sec-websocket-protocol')
    .flatMap((value) => value.split(','))
    .map((offered) => offered.trim())
    .filter((offered) => offered.startsWith(prefix))
    .map((offered) => offered.slice(prefix.length));
}

/** RFC 6265 section 4.1.1: a value may stand in quotes. */
function cookiesOf(field: string, name: string): string[] {
  return field.split(';').flatMap((pair) => {
    const mark = pair.indexOf('=');
    if (mark === -1 || pair.slice(0, mark).trim() !== name) return [];
    return [
      pair
        .slice(mark + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    ];
  });
}
