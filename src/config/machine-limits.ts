/**
 * How many cores and how much memory this process may use: what the machine has, less what a
 * container's quota takes away.
 *
 * Thread: any (pure), but for the few files of /proc and /sys that it reads. Node counts the cores
 * that the scheduler shows; a CPU quota (`docker run --cpus`, Kubernetes limits) is not among them.
 *
 * cgroup v2: `cpu.max`, `memory.max`. cgroup v1: `cpu.cfs_quota_us` / `cpu.cfs_period_us`,
 * `memory.limit_in_bytes`. A limit of any group above the process's own holds as well.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

/** What this process may use. */
export interface MachineLimits {
  /** Cores, at least 1. A quota of one and a half counts as two. */
  readonly cores: number;
  /** Bytes of memory. */
  readonly memoryBytes: number;
  /** CPU quota in cores; null: there is none. */
  readonly cpuQuota: number | null;
  /** Memory limit of the container in bytes; null: there is none. */
  readonly memoryQuotaBytes: number | null;
  /**
   * Whether sockets of this Node.js can share a port: else several threads take connections from
   * one socket.
   */
  readonly sharesPorts: boolean;
}

/** What the operating system says, and where its files are. */
export interface Machine {
  /** Text of a file; null: it cannot be read. */
  read(path: string): string | null;
  /** Cores that the scheduler lets this process use. */
  readonly schedulableCores: number;
  /** Cores that are switched on; 0: not known. */
  readonly onlineCores: number;
  readonly memoryBytes: number;
}

const CGROUP_ROOT = '/sys/fs/cgroup';

/** The limits of this process, now. */
export function readMachineLimits(machine: Machine = thisMachine()): MachineLimits {
  const groups = groupFolders(machine);
  const cpuQuota = smallest(groups.map((folder) => cpuQuotaOf(machine, folder)));
  const limit = smallest(groups.map((folder) => memoryLimitOf(machine, folder)));
  // A limit above what the machine has is how cgroup v1 says that there is none.
  const memoryQuotaBytes = limit !== null && limit < machine.memoryBytes ? limit : null;
  const { schedulableCores, onlineCores } = machine;
  const present = onlineCores > 0 ? Math.min(schedulableCores, onlineCores) : schedulableCores;
  return {
    cores: Math.max(1, cpuQuota === null ? present : Math.min(present, Math.ceil(cpuQuota))),
    memoryBytes: memoryQuotaBytes ?? machine.memoryBytes,
    cpuQuota,
    memoryQuotaBytes,
    sharesPorts: nodeSharesPorts(),
  };
}

/** The first version of Node.js whose sockets can share a port. */
const REUSE_PORT_SINCE = [22, 12] as const;

/** Whether this Node.js knows the option `reusePort` of sockets. */
export function nodeSharesPorts(nodeVersion: string = process.versions.node): boolean {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  const [sinceMajor, sinceMinor] = REUSE_PORT_SINCE;
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor);
}

function thisMachine(): Machine {
  return {
    read: (path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        // Not Linux, or a group without that controller: there is no such limit.
        return null;
      }
    },
    schedulableCores: availableParallelism(),
    onlineCores: cpus().length,
    memoryBytes: totalmem(),
  };
}

/**
 * The folders of the process's groups and of all groups above them. In a container the path that
 * /proc/self/cgroup names is often that of the host, which the container does not see: its own
 * limits then stand at the root.
 */
function groupFolders(machine: Machine): string[] {
  const folders = new Set<string>();
  for (const line of (machine.read('/proc/self/cgroup') ?? '').split('\n')) {
    // Number, controllers (none for v2), path; a path may hold colons.
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const roots =
      controllers === ''
        ? [CGROUP_ROOT, `${CGROUP_ROOT}/unified`]
        : [`${CGROUP_ROOT}/${controllers}`, ...controllers.split(',').map(controllerRoot)];
    for (const root of roots) for (const at of pathsUp(path)) folders.add(root + at);
  }
  return [...folders];
}

function controllerRoot(controller: string): string {
  return `${CGROUP_ROOT}/${controller}`;
}

/** `/a/b` is in `/a/b`, in `/a` and in the root. */
function pathsUp(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '..');
  return names.map((_, at) => `/${names.slice(0, at + 1).join('/')}`).concat('');
}

function cpuQuotaOf(machine: Machine, folder: string): number | null {
  const [quota, period] =
    machine.read(`${folder}/cpu.max`)?.trim().split(' ') ??
    [machine.read(`${folder}/cpu.cfs_quota_us`), machine.read(`${folder}/cpu.cfs_period_us`)].map(
      (text) => text?.trim(),
    );
  // `max`, and -1 in v1, stand for no quota.
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : null;
}

function memoryLimitOf(machine: Machine, folder: string): number | null {
  const text =
    machine.read(`${folder}/memory.max`) ?? machine.read(`${folder}/memory.limit_in_bytes`);
  const bytes = Number(text?.trim() || Number.NaN);
  return Number.isFinite(bytes) && bytes > 0 ? bytes : null;
}

function smallest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.min(...known);
}
