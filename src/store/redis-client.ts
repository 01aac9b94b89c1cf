/**
 * Connections to Redis or Valkey, with the settings that keep ioredis from harm.
 *
 * Thread: store. Owns nothing: makes clients.
 *
 * By its defaults ioredis sends what was in flight once more after a reconnect, and keeps commands
 * for later while there is no connection. Both would let a command run twice, or long after nobody
 * waits for it, so both are off.
 */
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { assertNever, defined } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { CompiledStore } from '../config/store-settings.js';

/** Time between two attempts to connect. */
export const RECONNECT_MS = 250;

const CONNECT_MS_MAX = 500;
/** Longest silence of a connection on which something is waited for. */
const SILENCE_MS_MAX = 400;
/** After this time a connection that does not end by itself is cut. */
const DISCONNECT_MS_MAX = 200;
const KEEP_ALIVE_MS = 10_000;

/** The same of a connection on which no request waits, and some commands wait at the server. */
const PATIENT_MS_MAX = 3000;

const READY_MS_MAX = 1000;

export type StoreClient = Redis | Cluster;

type ConnectionSettings = Omit<RedisOptions, 'replyMapping'>;

/**
 * A client that begins to connect at once, and goes on doing so. Its user knows how long it waits:
 * what comes later must be heard as well.
 */
export function createClient(config: CompiledStore): StoreClient {
  const commandTimeout = config.timeoutMs + SILENCE_MS_MAX;
  return clientOf(config, { commandTimeout, socketTimeout: SILENCE_MS_MAX });
}

/** The same for commands that no limit waits for, and that may wait at the server for a second. */
export function createPatientClient(config: CompiledStore): StoreClient {
  const patience = { commandTimeout: PATIENT_MS_MAX, socketTimeout: PATIENT_MS_MAX };
  const client = clientOf(config, patience);
  // As many commands wait for its connection as the main thread lets through, each by a listener.
  client.setMaxListeners(0);
  return client;
}

type Patience = Required<Pick<RedisOptions, 'commandTimeout' | 'socketTimeout'>>;

function clientOf(config: CompiledStore, patience: Patience): StoreClient {
  const first = defined(config.addresses[0], 'an address of the store');
  switch (config.kind) {
    case 'single':
      return new Redis({ ...connectionOptions(config, patience), ...first, db: config.database });
    case 'sentinel':
      return new Redis({ ...sentinelOptions(config, patience), db: config.database });
    case 'cluster':
      return createCluster(config, patience);
    default:
      return assertNever(config.kind);
  }
}

/** Connects with nodes of a Redis Cluster that nobody has asked yet: the first ask would fail. */
export async function connectNodes(client: StoreClient): Promise<void> {
  if (!(client instanceof Cluster)) return;
  const idle = client.nodes('master').filter(({ status }) => status === 'wait');
  await Promise.all(idle.map((node) => node.connect()));
}

/**
 * Ends the connection where a server refuses for being a replica, as a primary does after it was
 * demoted: another connection may lead to the primary. Redis 6 has the word inside the message
 * where a script was refused.
 */
export function leaveReplica(client: StoreClient, { message }: Error): boolean {
  const isReplica = message.includes('READONLY ');
  if (isReplica) client.disconnect(true);
  return isReplica;
}

/** Rejects when the client has no connection after a second. */
export async function connected(client: StoreClient, clock: Clock): Promise<void> {
  if (client.status !== 'ready') await ready(client, clock);
  await connectNodes(client);
}

function ready(client: StoreClient, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const onReady = (): void => {
      timer.cancel();
      resolve();
    };
    const timer = clock.after(READY_MS_MAX, () => {
      client.off('ready', onReady);
      reject(new Error('the store takes no connection'));
    });
    client.once('ready', onReady);
  });
}

function sentinelOptions(config: CompiledStore, patience: Patience): ConnectionSettings {
  const { name, username, password } = defined(config.sentinel ?? undefined, 'the Sentinels');
  const tls = tlsOptions(config);
  return {
    ...connectionOptions(config, patience),
    sentinels: config.addresses.map(({ host, port }) => ({ host, port })),
    name,
    ...(username !== '' && { sentinelUsername: username }),
    ...(password !== '' && { sentinelPassword: password }),
    ...(tls !== null && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: SILENCE_MS_MAX,
    sentinelRetryStrategy: () => RECONNECT_MS,
    // Without it a primary that hangs is held on to after another one was made primary.
    failoverDetector: true,
  };
}

function createCluster(config: CompiledStore, patience: Patience): Cluster {
  const cluster = new Cluster(
    config.addresses.map(({ host, port }) => ({ host, port })),
    {
      redisOptions: connectionOptions(config, patience),
      clusterRetryStrategy: () => RECONNECT_MS,
      enableOfflineQueue: false,
      enableReadyCheck: true,
      slotsRefreshTimeout: CONNECT_MS_MAX,
      slotsRefreshInterval: 5000,
      // A slot that has moved is followed once; a node that is gone ends the command.
      maxRedirections: 2,
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      retryDelayOnTryAgain: 0,
    },
  );
  cluster.on('+node', awaitAsking);
  return cluster;
}

/**
 * ioredis does not look at what becomes of the ASKING before a command that follows a slot: one
 * that fails, as where the node is slow, would end the thread. The command itself fails with it.
 */
function awaitAsking(node: Redis): void {
  const asking = node.asking.bind(node);
  node.asking = () => asking().catch(() => 'OK' as const);
}

function connectionOptions(config: CompiledStore, patience: Patience): ConnectionSettings {
  const { username, password } = config;
  const tls = tlsOptions(config);
  return {
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    ...(tls !== null && { tls }),
    protocol: 2,
    ...patience,
    connectTimeout: CONNECT_MS_MAX,
    disconnectTimeout: DISCONNECT_MS_MAX,
    keepAlive: KEEP_ALIVE_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => RECONNECT_MS,
    // The first beat shows whether the server can be used, with fewer rights than INFO needs.
    enableReadyCheck: false,
    disableClientInfo: true,
  };
}

function tlsOptions({ tls }: CompiledStore): ConnectionOptions | null {
  if (tls === null) return null;
  const { ca, cert, key, serverName, verifies } = tls;
  return {
    ...(ca !== '' && { ca }),
    ...(cert !== '' && { cert, key }),
    ...(serverName !== '' && { servername: serverName }),
    rejectUnauthorized: verifies,
  };
}
