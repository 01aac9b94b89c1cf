/**
 * The options of commands that have to do with a store of configurations.
 *
 * Thread: supervisor (on the main thread).
 */
import { parseDurationMs } from '../base/quantities.js';
import { type CommandArguments, type CommandIo, UsageError } from './command-io.js';

const NODE_NAME = /^(?!\.+$)[A-Za-z0-9._-]{1,128}$/;

/** Names a store where no option does. */
const FROM_VARIABLE = 'GATEWAY_CONFIG_FROM';
const STATE_DIR_VARIABLE = 'GATEWAY_STATE_DIR';
const NODE_VARIABLE = 'GATEWAY_NODE';
/** The configuration is a file after all. */
const FILE = 'file';
const BOOT_TIMEOUT = '5s';
/** A timer of Node.js that is set for longer than 24 days fires at once. */
const WAIT_MS_MAX = 24 * 3_600_000;

export interface StoreRunOptions {
  readonly address: string;
  /** null: `stateDir` of the local file. */
  readonly stateDir: string | null;
  /** null: the host's name and the process's number. */
  readonly node: string | null;
  readonly bootMs: number;
  /** Without a configuration the gateway ends. */
  readonly mustNotWait: boolean;
}

/** What `run` is to follow; undefined: no store. Throws UsageError. */
export function storeRunOptions(
  args: Pick<CommandArguments, 'configFrom' | 'stateDir' | 'node' | 'bootTimeout' | 'onNoConfig'>,
  env: CommandIo['env'],
): StoreRunOptions | undefined {
  const address = args.configFrom ?? (env[FROM_VARIABLE] || FILE);
  if (address === FILE) {
    refuseStoreOptions(args);
    return undefined;
  }
  if (!isStoreAddress(address)) {
    throw new UsageError('--config-from takes etcd://…, consul://… or file; a file goes after -c');
  }
  const node = args.node ?? (env[NODE_VARIABLE] || null);
  if (node !== null && !NODE_NAME.test(node)) {
    throw new UsageError('--node takes letters, digits, ".", "_" and "-", at most 128');
  }
  const onNoConfig = args.onNoConfig ?? 'wait';
  if (onNoConfig !== 'wait' && onNoConfig !== 'fail') {
    throw new UsageError('--on-no-config takes wait or fail');
  }
  return {
    address,
    stateDir: args.stateDir ?? (env[STATE_DIR_VARIABLE] || null),
    node,
    bootMs: durationOf('--boot-timeout', args.bootTimeout ?? BOOT_TIMEOUT),
    mustNotWait: onNoConfig === 'fail',
  };
}

/** The store that `publish`, `rollback`, `releases` and `status` speak with. Throws UsageError. */
export function storeOf(args: CommandArguments, env: CommandIo['env']): string {
  const address = args.to ?? args.configFrom ?? (env[FROM_VARIABLE] || undefined);
  if (address !== undefined && isStoreAddress(address)) return address;
  throw new UsageError(`name a store with --to etcd://HOST/PREFIX, or in ${FROM_VARIABLE}`);
}

export function durationOf(option: string, text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms <= WAIT_MS_MAX) return ms;
  throw new UsageError(`${option} takes a duration up to 24h, such as 5s or 500ms, not "${text}"`);
}

export function countOf(option: string, text: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) > 0) return Number(text);
  throw new UsageError(`${option} takes a number from 1 up, not "${text}"`);
}

function refuseStoreOptions(args: Partial<Record<string, unknown>>): void {
  const names = { stateDir: 'state-dir', node: 'node', bootTimeout: 'boot-timeout' };
  for (const [key, name] of Object.entries({ ...names, onNoConfig: 'on-no-config' })) {
    if (args[key] === undefined) continue;
    throw new UsageError(`--${name} goes with --config-from STORE only`);
  }
}

/** Whether the text means a store, and not a file. */
function isStoreAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//.test(text);
}
