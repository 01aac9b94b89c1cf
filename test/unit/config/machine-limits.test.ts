import { describe, expect, it } from 'vitest';
import { type Machine, readMachineLimits } from '../../../src/config/machine-limits.js';

const GIB = 2 ** 30;

/** A machine of 32 cores and 64 GiB that has these files. */
function machine(files: Readonly<Record<string, string>>, cores = 32): Machine {
  return {
    read: (path) => files[path] ?? null,
    schedulableCores: cores,
    onlineCores: 32,
    memoryBytes: 64 * GIB,
  };
}

const SELF = '/proc/self/cgroup';

interface Case {
  readonly title: string;
  readonly files: Readonly<Record<string, string>>;
  readonly cores: number;
  readonly memory: number | null;
}

const CASES: readonly Case[] = [
  { title: 'no cgroups at all', files: {}, cores: 32, memory: null },
  {
    title: 'v2 in a container: the limits stand at the root',
    files: {
      [SELF]: '0::/\n',
      '/sys/fs/cgroup/cpu.max': '200000 100000\n',
      '/sys/fs/cgroup/memory.max': `${GIB}\n`,
    },
    cores: 2,
    memory: GIB,
  },
  {
    title: 'v2 without a quota',
    files: {
      [SELF]: '0::/app\n',
      '/sys/fs/cgroup/app/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/app/memory.max': 'max\n',
    },
    cores: 32,
    memory: null,
  },
  {
    title: 'v2 with a part of a core',
    files: { [SELF]: '0::/\n', '/sys/fs/cgroup/cpu.max': '25000 100000\n' },
    cores: 1,
    memory: null,
  },
  {
    title: 'v2 with one and a half cores',
    files: { [SELF]: '0::/\n', '/sys/fs/cgroup/cpu.max': '150000 100000\n' },
    cores: 2,
    memory: null,
  },
  {
    title: 'v2 where a group above has less',
    files: {
      [SELF]: '0::/kubepods.slice/pod1/c:1\n',
      '/sys/fs/cgroup/kubepods.slice/pod1/c:1/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/kubepods.slice/pod1/cpu.max': '400000 100000\n',
      '/sys/fs/cgroup/kubepods.slice/pod1/memory.max': `${2 * GIB}\n`,
      '/sys/fs/cgroup/kubepods.slice/memory.max': `${GIB}\n`,
    },
    cores: 4,
    memory: GIB,
  },
  {
    title: 'v2 whose path is that of the host, which the container does not see',
    files: {
      [SELF]: '0::/../../docker/0123\n',
      '/sys/fs/cgroup/cpu.max': '100000 100000\n',
      '/sys/fs/cgroup/../memory.max': `${GIB}\n`,
    },
    cores: 1,
    memory: null,
  },
  {
    title: 'a memory limit of all that there is',
    files: { [SELF]: '0::/\n', '/sys/fs/cgroup/memory.max': `${64 * GIB}\n` },
    cores: 32,
    memory: null,
  },
  {
    title: 'a memory limit of nothing, and of less',
    files: {
      [SELF]: '0::/a\n',
      '/sys/fs/cgroup/memory.max': '0\n',
      '/sys/fs/cgroup/a/memory.max': '-1\n',
    },
    cores: 32,
    memory: null,
  },
  {
    title: 'v1 in a container',
    files: {
      [SELF]: '4:memory:/docker/0123\n1:cpu,cpuacct:/docker/0123\n0::/docker/0123\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '300000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${GIB / 2}\n`,
    },
    cores: 3,
    memory: GIB / 2,
  },
  {
    title: 'v1 without limits',
    files: {
      [SELF]: '4:memory:/\n1:cpu:/\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    },
    cores: 32,
    memory: null,
  },
  {
    title: 'v1 and v2 beside each other',
    files: {
      [SELF]: '1:cpu:/a\n0::/a\n',
      '/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '500000\n',
      '/sys/fs/cgroup/cpu/a/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/unified/a/memory.max': `${GIB}\n`,
    },
    cores: 5,
    memory: GIB,
  },
  {
    title: 'files that hold something else',
    files: {
      [SELF]: 'nonsense\n0::/\n',
      '/sys/fs/cgroup/cpu.max': '\n',
      '/sys/fs/cgroup/memory.max': 'much\n',
    },
    cores: 32,
    memory: null,
  },
];

describe('the limits of the machine', () => {
  it.each(CASES)('are right with $title', ({ files, cores, memory }) => {
    const limits = readMachineLimits(machine(files));
    expect(limits.cores).toBe(cores);
    expect(limits.memoryQuotaBytes).toBe(memory);
    expect(limits.memoryBytes).toBe(memory ?? 64 * GIB);
  });

  it('are never above the cores that the process may use', () => {
    const files = { [SELF]: '0::/\n', '/sys/fs/cgroup/cpu.max': '800000 100000\n' };
    expect(readMachineLimits(machine(files, 3)).cores).toBe(3);
  });

  it('are never above the cores that are switched on', () => {
    expect(readMachineLimits({ ...machine({}), onlineCores: 2 }).cores).toBe(2);
    expect(readMachineLimits({ ...machine({}), onlineCores: 0 }).cores).toBe(32);
    expect(readMachineLimits({ ...machine({}, 0), onlineCores: 0 }).cores).toBe(1);
  });

  it('of this machine leave at least one core and some memory', () => {
    const limits = readMachineLimits();
    expect(limits.cores).toBeGreaterThanOrEqual(1);
    expect(limits.memoryBytes).toBeGreaterThan(2 ** 20);
  });
});
