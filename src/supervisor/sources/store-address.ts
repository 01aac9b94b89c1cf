/**
 * The address of a store of configurations, as the command line has it.
 *
 *     etcd://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/PREFIX[?ca=FILE&cert=FILE&key=FILE]
 *     consul://[:TOKEN@]HOST[:PORT]/PREFIX[?tls=true]
 *
 * Thread: supervisor (on the main thread). Secrets are better kept in the environment; wherever
 * they come from, `name` is without them, and `name` is what is shown.
 */
import { readFileSync } from 'node:fs';
import { StoreAddressError } from '../../base/store-errors.js';

export interface StoreAddress {
  readonly provider: 'etcd' | 'consul';
  /** Without secrets. */
  readonly name: string;
  /** One or more; which one is asked first does not matter. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** Without slashes at its ends. */
  readonly prefix: string;
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | null;
  /** '': none. */
  readonly username: string;
  readonly password: string;
  /** Of Consul; '': none. */
  readonly token: string;
}

/** Where secrets may stand instead of in the address. */
const USERNAME_VARIABLE = 'GATEWAY_CONFIG_FROM_USERNAME';
const PASSWORD_VARIABLE = 'GATEWAY_CONFIG_FROM_PASSWORD';
export const TOKEN_VARIABLE = 'GATEWAY_CONFIG_FROM_TOKEN';

const ADDRESS = /^(etcd|consul):\/\/(?:([^@/?#]*)@)?([^@/?#]+)\/([^?#]*)(?:\?([^#]*))?$/;
const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;
const PREFIX = /^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;
const PORTS = { etcd: 2379, consul: 8500 } as const;
const PARAMETERS = ['tls', 'ca', 'cert', 'key'];

/** Throws StoreAddressError. Reads the files of certificates that it names. */
export function parseStoreAddress(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): StoreAddress {
  const [whole, scheme, userinfo = '', hosts = '', path = '', query = ''] =
    ADDRESS.exec(text) ?? [];
  if (whole === undefined || (scheme !== 'etcd' && scheme !== 'consul')) {
    throw new StoreAddressError(
      'a store is named etcd://HOST:PORT/PREFIX or consul://HOST:PORT/PREFIX',
    );
  }
  const prefix = path.replace(/\/+$/, '');
  if (!PREFIX.test(prefix) || prefix.split('/').some((part) => /^\.+$/.test(part))) {
    const meaning = 'letters, digits, ".", "_" and "-", in parts between "/"';
    throw new StoreAddressError(`the prefix after the host must be of ${meaning}`);
  }
  const secrets = secretsOf(userinfo, environment);
  const tls = tlsOf(new URLSearchParams(query));
  const shownTls = tls === null ? '' : '?tls=true';
  return {
    provider: scheme,
    name: `${scheme}://${hosts}/${prefix}${shownTls}`,
    hosts: hosts.split(',').map((one) => hostOf(one, PORTS[scheme])),
    prefix,
    tls,
    ...secrets,
    token: environment[TOKEN_VARIABLE] || secrets.password,
  };
}

function secretsOf(
  userinfo: string,
  environment: Readonly<Record<string, string | undefined>>,
): Pick<StoreAddress, 'username' | 'password'> {
  const colon = userinfo.indexOf(':');
  const parts =
    colon === -1 ? [userinfo, ''] : [userinfo.slice(0, colon), userinfo.slice(colon + 1)];
  try {
    const [username = '', password = ''] = parts.map(decodeURIComponent);
    return {
      username: environment[USERNAME_VARIABLE] || username,
      password: environment[PASSWORD_VARIABLE] || password,
    };
  } catch {
    throw new StoreAddressError('the user name or the password is not well percent-encoded');
  }
}

function hostOf(text: string, usualPort: number): { readonly host: string; readonly port: number } {
  const [, host = '', port = String(usualPort)] = HOST.exec(text) ?? [];
  const number = Number(port);
  if (host === '' || number < 1 || number > 65_535) {
    throw new StoreAddressError(`"${text}" is no host with a port (HOST:PORT)`);
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: number };
}

function tlsOf(parameters: URLSearchParams): StoreAddress['tls'] {
  for (const name of parameters.keys()) {
    if (PARAMETERS.includes(name)) continue;
    throw new StoreAddressError(`unknown parameter "${name}"; there are ${PARAMETERS.join(', ')}`);
  }
  const wanted = parameters.get('tls');
  if (wanted !== null && wanted !== 'true') {
    throw new StoreAddressError('the parameter tls is "true" or absent');
  }
  const files = ['ca', 'cert', 'key'].filter((name) => parameters.has(name));
  if (parameters.has('cert') !== parameters.has('key')) {
    throw new StoreAddressError('the parameters cert and key belong together');
  }
  if (wanted === null && files.length === 0) return null;
  return Object.fromEntries(files.map((name) => [name, readPem(name, parameters.get(name) ?? '')]));
}

function readPem(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new StoreAddressError(`the file of ${name}, ${file}, cannot be read: ${reason}`);
  }
}
