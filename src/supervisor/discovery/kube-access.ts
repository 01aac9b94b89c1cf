/**
 * How the API server of Kubernetes is reached: from within the cluster, or by a kubeconfig.
 *
 * Thread: supervisor (on the main thread). Files are read for each question: tokens and authorities
 * are replaced while the process runs. Commands that a kubeconfig names are not run.
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isObject } from '../../base/json-object.js';
import { isSafeUrl } from '../../base/safe-url.js';

export interface KubeAccess {
  /** Without a slash at its end. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The namespace where nothing else is said. */
  readonly namespace: string;
}

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** By a kubeconfig where one is named, else by the service account of the pod. */
export function accessTo(
  { kubeconfig, context }: { readonly kubeconfig: string; readonly context: string },
  env: Readonly<Record<string, string | undefined>>,
): Promise<KubeAccess> {
  return kubeconfig === '' ? accessInCluster(env) : accessByKubeconfig(kubeconfig, context);
}

/** Rejects with an Error that says what is missing. */
export async function accessInCluster(
  env: Readonly<Record<string, string | undefined>>,
  folder = ACCOUNT_FOLDER,
): Promise<KubeAccess> {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  if (host === '') throw new Error('not in a cluster: name a kubeconfig');
  const [token, ca, namespace] = await Promise.all(
    ['token', 'ca.crt', 'namespace'].map((file) => read(resolve(folder, file))),
  );
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    headers: { authorization: `Bearer ${(token ?? '').trim()}` },
    ca: ca ?? '',
    namespace: (namespace ?? '').trim(),
  };
}

/** `context`: empty for the current one. */
export async function accessByKubeconfig(file: string, context: string): Promise<KubeAccess> {
  const { parse } = await import('yaml');
  let config: unknown;
  try {
    config = parse(await read(file), { maxAliasCount: 0 });
  } catch (error) {
    throw error instanceof KubeFileError ? error : new Error('the kubeconfig is no YAML');
  }
  if (!isObject(config)) throw new Error('the kubeconfig is no mapping');
  const name = context === '' ? String(config['current-context'] ?? '') : context;
  const chosen = named(config, 'contexts', name, 'context');
  const cluster = named(config, 'clusters', String(chosen['cluster']), 'cluster');
  const user = named(config, 'users', String(chosen['user']), 'user');
  const folder = dirname(file);
  const server = String(cluster['server'] ?? '');
  if (!/^https?:\/\//.test(server)) throw new Error('the cluster has no server');
  if (cluster['insecure-skip-tls-verify'] === true) {
    throw new Error('insecure-skip-tls-verify is not done: name the certificate-authority');
  }
  if (user['exec'] !== undefined || user['auth-provider'] !== undefined) {
    throw new Error(
      `the user of context ${name} runs a command, which is not done: give it a token`,
    );
  }
  const [ca, cert, key] = await Promise.all([
    material(cluster, 'certificate-authority', folder),
    material(user, 'client-certificate', folder),
    material(user, 'client-key', folder),
  ]);
  const token = await tokenOf(user, folder);
  if (token !== '' && server.startsWith('http:') && !isSafeUrl(server, false)) {
    throw new Error('the token would go over the network in the clear');
  }
  return {
    url: server.replace(/\/$/, ''),
    headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    ...(ca !== '' && { ca }),
    ...(cert !== '' && { cert, key }),
    namespace: String(chosen['namespace'] ?? 'default'),
  };
}

class KubeFileError extends Error {}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'cannot be read';
    throw new KubeFileError(`${file}: ${code}`);
  }
}

/** The `part` of the entry of this name in a list of the kubeconfig. */
function named(
  config: Readonly<Record<string, unknown>>,
  list: string,
  name: string,
  part: string,
): Readonly<Record<string, unknown>> {
  const entries = config[list];
  const found: unknown = Array.isArray(entries)
    ? entries.find((entry: unknown) => isObject(entry) && entry['name'] === name)
    : undefined;
  const value = isObject(found) ? found[part] : undefined;
  if (!isObject(value)) throw new Error(`the kubeconfig has no ${part} ${JSON.stringify(name)}`);
  return value;
}

/** A file, or base64 under a name with `-data`; '': neither. */
async function material(
  from: Readonly<Record<string, unknown>>,
  field: string,
  folder: string,
): Promise<string> {
  const data = from[`${field}-data`];
  if (typeof data === 'string') return Buffer.from(data, 'base64').toString('utf8');
  const file = from[field];
  return typeof file === 'string' ? read(resolve(folder, file)) : '';
}

async function tokenOf(user: Readonly<Record<string, unknown>>, folder: string): Promise<string> {
  const { token, tokenFile } = user as { readonly token?: unknown; readonly tokenFile?: unknown };
  if (typeof token === 'string') return token;
  return typeof tokenFile === 'string' ? (await read(resolve(folder, tokenFile))).trim() : '';
}
